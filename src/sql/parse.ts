/**
 * PostgreSQL's own parser, compiled to WebAssembly. It counts in UTF-8 bytes of the string it is given; here that is
 * turned back into bytes of the client's buffer, whatever its encoding.
 */
import { isUtf8 } from 'node:buffer';
import { loadModule, parseSync, SqlError } from 'libpg-query';
import { messageOf } from '../base/index.ts';
import { asNode, list, number, unwrap } from './ast.ts';
import type { Ast } from './ast.ts';
import { skipBlanks, trimEnd } from './scan.ts';
import { weigh } from './weight.ts';

export interface ParsedStatement {
  readonly start: number;
  readonly end: number;
  /** The grammar's name of the statement, `SelectStmt`, and its content. */
  readonly node: string;
  readonly body: Ast;
  /** Its strings hold one character for each byte of the text, which is not UTF-8. */
  readonly bytewise: boolean;
}

export interface ParseFailure {
  /** `syntax`: the server would say the same. `depth`, `tokens`: our parser gave up, or was not asked; the server may not. */
  readonly failure: 'syntax' | 'depth' | 'tokens';
  readonly message: string;
  readonly position?: number;
}

/** Nobody else has a turn while the grammar is at work: so many words and signs take it some milliseconds. */
export const parsedTokensMax = 4000;

/** Once per process, before the first `parseStatements`. */
export async function loadSqlParser(): Promise<void> {
  await loadModule();
}

export function parseStatements(
  sql: Buffer,
  tokensMax = parsedTokensMax,
): readonly ParsedStatement[] | ParseFailure {
  if (sql.includes(0)) {
    return { failure: 'syntax', message: 'invalid byte sequence for encoding "UTF8": 0x00' };
  }
  const weight = weigh(sql, tokensMax);
  if (weight === 'twisted') return { failure: 'depth', message: 'a run of operator characters without end' };
  if (weight === 'tokens') return { failure: 'tokens', message: `more than ${tokensMax} words and signs` };
  // Latin-1 is no guess about the encoding: it maps each byte to one character, and back.
  const utf8 = isUtf8(sql);
  const text = sql.toString(utf8 ? 'utf8' : 'latin1');
  if (text === '') return [];
  let parsed: unknown;
  try {
    parsed = parseSync(text);
  } catch (error) {
    return failureOf(error);
  }
  const offsets = utf8 ? (offset: number) => offset : byteCounter(sql);
  const statements: ParsedStatement[] = [];
  for (const item of list(asNode(parsed).stmts)) {
    const raw = asNode(item);
    const from = offsets(number(raw.stmt_location) ?? 0);
    const length = number(raw.stmt_len);
    const to = length === undefined ? sql.length : offsets((number(raw.stmt_location) ?? 0) + length);
    const start = skipBlanks(sql, from, to);
    const [node, body] = unwrap(raw.stmt);
    statements.push({ start, end: trimEnd(sql, start, to), node, body, bytewise: !utf8 });
  }
  return statements;
}

function failureOf(error: unknown): ParseFailure {
  const message = messageOf(error);
  if (!(error instanceof SqlError) || message.startsWith('memory exhausted')) {
    return { failure: 'depth', message };
  }
  const position = error.sqlDetails?.cursorPosition;
  return position === undefined
    ? { failure: 'syntax', message }
    : { failure: 'syntax', message, position: position + 1 };
}

/** Each byte above 0x7F went to the parser as two. Offsets are asked for in growing order. */
function byteCounter(sql: Buffer): (utf8Offset: number) => number {
  let at = 0;
  let utf8At = 0;
  return (utf8Offset) => {
    while (utf8At < utf8Offset && at < sql.length) utf8At += sql[at++]! < 0x80 ? 1 : 2;
    return at;
  };
}
