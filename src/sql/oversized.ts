/** Statements too large, or too deep, to be parsed: what their beginning and the lexer can still say. */
import { Lexer } from './lexer.ts';
import { refusals } from './refusals.ts';
import { classOf, LETTER, skipBlanks, wordEnd } from './scan.ts';
import type { Draft } from './statement.ts';

/** The commands that cannot help but be one captured write, if nothing follows them. */
const DATA_CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
const QUERIES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE']);

export interface OversizedText {
  readonly standardStrings: boolean;
  readonly totalBytes: number;
}

/**
 * For a text that is there in full. A data change is a write if it is certainly the only statement; a query is a
 * write too (that is where the primary's answer is right whatever it calls), unless INTO might make it create a table.
 */
export function draftOversized(sql: Buffer, { standardStrings, totalBytes }: OversizedText): Draft {
  const tag = leadingWord(sql);
  const lexer = new Lexer();
  const single = lexer.read(sql, standardStrings);
  const key = single ? lexer.key : '';
  const isWrite = DATA_CHANGES.has(tag) || (QUERIES.has(tag) && !/\binto\b/i.test(key));
  const harmless = !/\blockstep\b|\blo_|\bloread\b|\blowrite\b/i.test(key);
  if (single && isWrite && harmless) return { kind: 'write', tag, because: 'it is too large to be examined' };
  return { kind: 'too-large', tag, refusal: refusals.tooLarge(totalBytes) };
}

/**
 * For a text that streams by and of which only the head is here. What follows it cannot be seen: the caller lets no
 * text pass as `write` whose remainder it does not send to the primary, where everything is captured.
 */
export function classifyHead(head: Buffer, totalBytes: number): Draft {
  const tag = leadingWord(head);
  if (DATA_CHANGES.has(tag) || QUERIES.has(tag)) {
    return { kind: 'write', tag, because: 'it is too large to be examined' };
  }
  return { kind: 'refused', tag, refusal: refusals.tooLarge(totalBytes) };
}

/** In capitals; empty when the text does not begin with a word. A parenthesis can only open a SELECT. */
function leadingWord(sql: Buffer): string {
  const start = skipBlanks(sql, 0, sql.length);
  if (sql[start] === 0x28) return 'SELECT';
  if (classOf[sql[start]!] !== LETTER) return '';
  return sql.toString('latin1', start, wordEnd(sql, start)).toUpperCase();
}
