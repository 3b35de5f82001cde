/**
 * The parser reads text as a server with UTF-8 and standard_conforming_strings does. A session may differ in two ways,
 * and in both a quote or a semicolon could hide from the parser, or from the server. So the bytes in question are
 * masked first, one for one, and every offset stays true.
 */
import {
  blockCommentEnd,
  classOf,
  DOLLAR,
  dollarStringEnd,
  DOUBLE_QUOTE,
  HYPHEN,
  LETTER,
  lineCommentEnd,
  QUOTE,
  quotedNameEnd,
  SLASH,
  stringEnd,
  wordEnd,
} from './scan.ts';

/** Client encodings whose second bytes may look like ASCII: a backslash, say. */
export type TrailBytes = 'none' | 'sjis' | 'double';

const TRAILING: ReadonlyMap<string, TrailBytes> = new Map([
  ['sjis', 'sjis'],
  ['shiftjis2004', 'sjis'],
  ['mskanji', 'sjis'],
  ['shiftjis', 'sjis'],
  ['win932', 'sjis'],
  ['windows932', 'sjis'],
  ['big5', 'double'],
  ['win950', 'double'],
  ['windows950', 'double'],
  ['gbk', 'double'],
  ['win936', 'double'],
  ['windows936', 'double'],
  ['gb18030', 'double'],
  ['uhc', 'double'],
  ['win949', 'double'],
  ['windows949', 'double'],
  ['johab', 'double'],
]);

/** By the name that the server reports as `client_encoding`. */
export function trailBytesOf(clientEncoding: string): TrailBytes {
  return TRAILING.get(clientEncoding.toLowerCase().replaceAll(/[^a-z0-9]/g, '')) ?? 'none';
}

const MASK_LETTER = 0xbf;
const MASK_TEXT = 0x78;

/** Second bytes become letters. GB18030's four-byte characters are two such pairs. */
export function maskTrailBytes(sql: Buffer, trailing: TrailBytes): Buffer {
  if (trailing === 'none') return sql;
  const masked = Buffer.from(sql);
  for (let at = 0; at < masked.length - 1; at++) {
    const byte = masked[at]!;
    if (byte < 0x81 || (trailing === 'sjis' && byte >= 0xa0 && byte <= 0xdf)) continue;
    masked[++at] = MASK_LETTER;
  }
  return masked;
}

/** With standard_conforming_strings off, plain strings know backslashes: their content is blotted out. */
export function maskBackslashStrings(sql: Buffer): Buffer {
  if (!sql.includes(0x5c)) return sql;
  const masked = Buffer.from(sql);
  let at = 0;
  while (at !== -1 && at < sql.length) {
    const kind = classOf[sql[at]!];
    if (kind === LETTER) {
      const end = wordEnd(sql, at);
      // E'..', B'..', X'..' mean the same under both settings.
      at = end === at + 1 && sql[end] === 0x27 ? prefixedEnd(sql, at) : end;
    } else if (kind === QUOTE) {
      const end = stringEnd(sql, at, true);
      if (end === -1) return masked;
      if (sql.subarray(at, end).includes(0x5c)) masked.fill(MASK_TEXT, at + 1, end - 1);
      at = end;
    } else if (kind === DOUBLE_QUOTE) at = quotedNameEnd(sql, at);
    else if (kind === DOLLAR) at = dollarStringEnd(sql, at) || at + 1;
    else if (kind === HYPHEN && sql[at + 1] === 0x2d) at = lineCommentEnd(sql, at);
    else if (kind === SLASH && sql[at + 1] === 0x2a) at = blockCommentEnd(sql, at);
    else at++;
  }
  return masked;
}

function prefixedEnd(sql: Buffer, letterAt: number): number {
  switch (sql[letterAt]! | 0x20) {
    case 0x65:
      return stringEnd(sql, letterAt + 1, true);
    case 0x62:
    case 0x78:
      return stringEnd(sql, letterAt + 1, false);
    default:
      return letterAt + 1;
  }
}
