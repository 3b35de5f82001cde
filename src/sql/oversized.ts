/** Statements too large, or too deep, to be parsed: what their beginning and the lexer can still say. */
import { builtinRole } from './function-roles.ts';
import { refusals } from './refusals.ts';
import { classOf, LETTER, skipBlanks, wordEnd } from './scan.ts';
import type { Draft, Refusal } from './statement.ts';

/** The commands that cannot help but be one captured write, if nothing follows them. */
const DATA_CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
const QUERIES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE']);

export interface OversizedText {
  /** What the lexer makes of a text that is certainly one statement of the query family. */
  readonly key: string | undefined;
  /** Where it is not carried: the reason. */
  readonly refusal: Refusal;
}

/** What is said of it does not hold for a shorter text with the same key. */
export const tooLargeToExamine = 'it is too large to be examined';

/** What stands before a parenthesis, quoted or not. */
const CALLS = /([a-z_\x80-\xff][\w$\x80-\xff]{0,62})"?\s?\(/gi;

/**
 * For a text that is there in full. A data change is a write if it is certainly the only statement; a query is a
 * write too (that is where the primary's answer is right whatever it calls), unless INTO might make it create a table.
 * Whatever could be behind a call is taken to be there.
 */
export function draftOversized(sql: Buffer, { key, refusal }: OversizedText): Draft {
  const tag = leadingWord(sql);
  if (key === undefined) return { kind: 'too-large', tag, refusal };
  const isWrite = DATA_CHANGES.has(tag) || (QUERIES.has(tag) && !/\binto\b/i.test(key));
  const calls = callsIn(key);
  const harmless = !/\blockstep\b/i.test(key) && !calls.has('large-object') && !calls.has('uncaptured');
  if (!isWrite || !harmless) return { kind: 'too-large', tag, refusal };
  return {
    kind: 'write',
    tag,
    because: tooLargeToExamine,
    runsCode: true,
    setsSequences: true,
    unseen: true,
    atPrimary: true,
    ...((calls.has('config') || /\bpg_settings\b/i.test(key)) && { setsConfig: true }),
    ...(calls.has('session-lock') && { sessionLock: true, pinsSession: true }),
    ...(calls.has('transaction-lock') && { transactionLock: true }),
    ...(/\bpg_terminate_backend\b/i.test(key) && { endsSessions: true }),
    ...(/\bpg_export_snapshot\b/i.test(key) && { exportsSnapshot: true }),
  };
}

/** What the built-in functions mean that are called. */
function callsIn(key: string): ReadonlySet<string | undefined> {
  const roles = new Set<string | undefined>();
  for (const [, name = ''] of key.matchAll(CALLS)) roles.add(builtinRole(name.toLowerCase()));
  return roles;
}

/**
 * For a text that streams by and of which only the head is here. What follows it cannot be seen: the caller lets no
 * text pass as `write` whose remainder it does not send to the primary, where everything is captured.
 */
export function classifyHead(head: Buffer, totalBytes: number): Draft {
  const tag = leadingWord(head);
  if (DATA_CHANGES.has(tag) || QUERIES.has(tag)) {
    return { kind: 'write', tag, because: tooLargeToExamine };
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
