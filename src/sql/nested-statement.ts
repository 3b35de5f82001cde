/**
 * A schema statement that a function has carried out, taken from the server's call stack: `text"\nPL/pgSQL function f() line 3 …`. The
 * stack quotes nothing, and the text, which may be anybody's, can hold what looks like its end; an end behind a quoted name looks like a
 * quote inside of it. So the text is read as the server read it, and every place where it may end is tried: in strings, dollar quotes and
 * comments none is. One that leaves a statement in front of it is the end; where two do, nobody can tell.
 */
import { asNode } from './ast.ts';
import type { Ast } from './ast.ts';
import { draftStatement } from './draft.ts';
import { parseStatements } from './parse.ts';
import type { ParsedStatement } from './parse.ts';
import { refusals } from './refusals.ts';
import {
  blockCommentEnd,
  classOf,
  DIGIT,
  DOLLAR,
  dollarStringEnd,
  LETTER,
  lineCommentEnd,
  quotedNameEnd,
  skipBlanks,
  stringEnd,
  wordEnd,
} from './scan.ts';
import type { FunctionCatalog, Refusal } from './statement.ts';

export interface NestedReading {
  /** What follows the text in the stack. */
  readonly after: string;
  readonly standardStrings: boolean;
}

/** A function for each call inside of another. */
const endsMax = 100;

/** How many bytes of the stack are the text of one statement that can be carried. */
export function judgeNested(
  stack: Buffer,
  { after, standardStrings }: NestedReading,
  catalog: FunctionCatalog,
): { readonly length: number } | { readonly refusal: Refusal } {
  const ends = possibleEnds(stack, Buffer.from(after, 'latin1'), standardStrings);
  if (ends.length > endsMax) return { refusal: refusals.nestedUnclear };
  let found: { readonly length: number; readonly statements: readonly ParsedStatement[] } | undefined;
  for (const length of ends) {
    const statements = parseStatements(stack.subarray(0, length));
    if ('failure' in statements && statements.failure === 'syntax') continue;
    if ('failure' in statements) return { refusal: refusals.nestedUnclear };
    if (statements.length === 0) continue;
    if (found !== undefined) return { refusal: refusals.nestedUnclear };
    found = { length, statements };
  }
  const [only, second] = found?.statements ?? [];
  if (found === undefined || only === undefined) return { refusal: refusals.nestedUnclear };
  if (second !== undefined) return { refusal: refusals.nestedSeveral };
  const refusal = refusalOf(only.node, only.body, catalog);
  return refusal === undefined ? { length: found.length } : { refusal };
}

function refusalOf(node: string, body: Ast, catalog: FunctionCatalog): Refusal | undefined {
  const draft = draftStatement(node, body, catalog);
  if (draft.refusal !== undefined) return draft.refusal;
  switch (draft.kind) {
    case 'ddl':
    case 'refresh-matview':
      return draft.namesDatabase || draft.concurrently || hasParameters(body)
        ? refusals.nestedUnclear
        : undefined;
    case 'create-matview':
      return draft.volatile || draft.orderDependent ? refusals.nestedView : undefined;
    default:
      return refusals.nestedUnclear;
  }
}

/** Their values stand elsewhere. */
function hasParameters(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasParameters);
  if (typeof value !== 'object' || value === null) return false;
  const node = asNode(value);
  return node.ParamRef !== undefined || Object.values(node).some(hasParameters);
}

/** Behind the right one nothing is read as it was meant; what stands in front of a later one is no statement. */
function possibleEnds(stack: Buffer, end: Buffer, standardStrings: boolean): readonly number[] {
  const ends: number[] = [];
  const note = (at: number): void => {
    if (stack.subarray(at, at + end.length).equals(end)) ends.push(at);
  };
  for (let at = 0; at >= 0 && at < stack.length; ) {
    const next = elementEnd(stack, at, standardStrings);
    if (stack[at] === QUOTE_OF_NAMES) {
      note(at);
      // The name ends, and so does the text; or there is a quote in the name.
      const stop = next < 0 ? stack.length : next;
      for (let i = at + 2; i < stop; i++)
        if (stack[i] === QUOTE_OF_NAMES && stack[i - 1] === QUOTE_OF_NAMES) note(i);
    } else if (stack[at] === 0x2d && next > at + 1) note(next - 1);
    at = next;
  }
  return ends;
}

const QUOTE_OF_NAMES = 0x22;

/** -1: it has none. */
function elementEnd(stack: Buffer, at: number, standardStrings: boolean): number {
  const byte = stack[at];
  const following = stack[at + 1];
  if (byte === QUOTE_OF_NAMES) return quotedNameEnd(stack, at);
  if (byte === 0x27) return literalEnd(stack, at, standardStrings);
  if (byte === 0x24) {
    const close = dollarStringEnd(stack, at);
    return close === 0 ? at + 1 : close;
  }
  if (byte === 0x2f && following === 0x2a) return blockCommentEnd(stack, at);
  if (byte === 0x2d && following === 0x2d) return lineCommentEnd(stack, at);
  return classOf[byte ?? 0] === LETTER ? wordEnd(stack, at) : at + 1;
}

/** A string with escapes goes on over lines, and what goes on does not say so. */
function literalEnd(stack: Buffer, at: number, standardStrings: boolean): number {
  if (!standardStrings) return stringEnd(stack, at, true);
  if (!isEscaping(stack, at)) return stringEnd(stack, at, false);
  const close = stringEnd(stack, at, true);
  return close > 0 && stack[skipBlanks(stack, close, stack.length)] === 0x27 ? -1 : close;
}

/** Behind a word of the one letter E. */
function isEscaping(stack: Buffer, quote: number): boolean {
  const letter = stack[quote - 1];
  if (letter !== 0x45 && letter !== 0x65) return false;
  const kind = classOf[stack[quote - 2] ?? 0];
  return kind !== LETTER && kind !== DIGIT && kind !== DOLLAR;
}
