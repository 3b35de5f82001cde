/**
 * `EXPLAIN (ROUTE) …` tells where a statement would go, and why, and does not run it. It becomes a query that answers these
 * sentences, so that every driver gets them as it gets rows, in the simple and in the extended protocol. The query has the
 * parameters that the statement has, and makes nothing of them: a driver may send values, and none is needed in the simple protocol.
 */

import type { Session } from '../../cluster/index.ts';
import { parameterCount, quoteLiteral, routeReason } from '../../sql/index.ts';
import type { Statement } from '../../sql/index.ts';
import { Frontend, frontend, HEADER_BYTES } from '../../wire/postgres/index.ts';
import { asClientError } from './front-errors.ts';
import type { KnownBetter } from './statement-work.ts';

const WORDS = /^\s*explain\s*\(\s*route\s*\)\s*([^]*?)[\s;]*$/i;
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, 0x0c]);
const E = [0x45, 0x65];

export function asksForRoute(type: number, frame: Buffer): boolean {
  return questionIn(type, frame) !== undefined;
}

/** The statement asked about, and where its text ends. Undefined where it is about something else, which costs a look at one byte. */
function questionIn(
  type: number,
  frame: Buffer,
): { readonly statement: string; readonly nameEnd: number; readonly end: number } | undefined {
  const nameEnd = type === Frontend.Parse ? frame.indexOf(0, HEADER_BYTES) : HEADER_BYTES - 1;
  let start = nameEnd + 1;
  while (BLANKS.has(frame[start] ?? 0)) start += 1;
  if (!E.includes(frame[start] ?? 0)) return undefined;
  const end = frame.indexOf(0, start);
  if (end === -1) return undefined;
  // Byte for byte, whatever the client's encoding is.
  const statement = WORDS.exec(frame.toString('latin1', start, end))?.[1] ?? '';
  return statement === '' ? undefined : { statement, nameEnd, end };
}

/** The frame itself when it is about something else. `tell` says the sentences. */
export function explainRoute(
  type: number,
  frame: Buffer,
  tell: (statement: Buffer) => readonly string[],
): Buffer {
  const question = questionIn(type, frame);
  if (question === undefined) return frame;
  const { statement, nameEnd, end } = question;
  const sentences = tell(Buffer.from(statement, 'latin1'));
  const rows = sentences.map((sentence) => `(${quoteLiteral(sentence)})`).join(', ');
  const sql = `SELECT * FROM (VALUES ${rows}) AS route ("QUERY PLAN")`;
  if (type === Frontend.Query) return frontend.query(Buffer.from(sql, 'latin1'));
  const parameterTypes = declaredTypes(frame, end + 1);
  const parameters = Math.max(parameterCount(Buffer.from(statement, 'latin1')), parameterTypes.length);
  const unused = Array.from({ length: parameters }, (_, at) => ` OR $${at + 1}::text IS NULL`).join('');
  return frontend.parse({
    name: frame.toString('latin1', HEADER_BYTES, nameEnd),
    query: Buffer.from(parameters === 0 ? sql : `${sql} WHERE true${unused}`, 'latin1'),
    parameterTypes,
  });
}

/** Behind the text of a Parse; none where the frame ends too soon, which is said when it is read. */
function declaredTypes(frame: Buffer, start: number): readonly number[] {
  const count = start + 2 > frame.length ? 0 : frame.readUInt16BE(start);
  if (start + 2 + 4 * count > frame.length) return [];
  return Array.from({ length: count }, (_, at) => frame.readUInt32BE(start + 2 + 4 * at));
}

export interface RouteCircumstances {
  readonly session: Session;
  readonly knownBetter: KnownBetter;
  classify(text: Buffer): readonly Statement[];
  /** One sentence: which member is what. */
  members(): string;
}

/** Where a statement would go now, and why. */
export function routeSentences(text: Buffer, at: RouteCircumstances): readonly string[] {
  const { session, knownBetter } = at;
  try {
    const sentences = at.classify(text).map(routeReason);
    if (knownBetter.get(text) !== undefined)
      sentences.push('Primary: it was run as a read before, and found to need the primary.');
    if (session.pinned !== undefined) sentences.push(`This session stays on the primary: ${session.pinned}.`);
    if (session.inTransaction)
      sentences.push('A transaction is open: after its first write all of it is on the primary.');
    return [...sentences, at.members()];
  } catch (error) {
    return [asClientError(error).message];
  }
}
