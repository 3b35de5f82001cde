/**
 * One pass over the bytes of a query: is it a single statement of the query family, where does it begin and end, and
 * what is left of it when literals, comments and layout are taken out. That rest is the key under which its class is
 * remembered, so two texts may share a key only if no literal can set them apart.
 *
 * Wherever that is not certain the lexer gives up ("exact"), and the text itself becomes the key. It gives up on:
 * statements outside the family below (in SET, COPY or DDL the literals matter), a second statement, U& names (a
 * literal decides how they read), literals continued over lines after an escape string, letters right behind a
 * number, and anything unterminated.
 */
import { invariant } from '../base/index.ts';
import {
  BLANK,
  blockCommentEnd,
  classOf,
  CONTROL,
  DIGIT,
  DOLLAR,
  dollarStringEnd,
  DOUBLE_QUOTE,
  HYPHEN,
  LETTER,
  lineCommentEnd,
  OTHER,
  QUOTE,
  quotedNameEnd,
  SEMICOLON,
  skipBlanks,
  SLASH,
  stringEnd,
  trimEnd,
} from './scan.ts';

const WORD_CHARACTER = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const kind = classOf[byte];
  WORD_CHARACTER[byte] = kind === LETTER || kind === DIGIT || kind === DOLLAR ? 1 : 0;
}

/** Statements that begin with these are the same to us whatever their literals say. */
const QUERY_WORDS = ['select', 'insert', 'update', 'delete', 'merge', 'with', 'values', 'table', 'call'].map(
  (word) => Buffer.from(word),
);

/** A literal in the key. Control bytes outside quotes make the lexer give up, so a text cannot forge it. */
const LITERAL = 0x01;
const COMMA = 0x2c;
const OPEN = 0x28;
const CLOSE = 0x29;
const SPACE = 0x20;
const NEW_LINE = Buffer.from('\n');

export class Lexer {
  /** What the last `read` found; valid when it returned true. */
  start = 0;
  end = 0;
  #key = Buffer.allocUnsafe(1 << 16);
  #length = 0;
  /** Where the key ended after the last literal, and how many literals and commas stand in a row up to there. */
  #literalEnd = -1;
  #literalRun = 0;
  /** The last `(literal, literal)` in the key, and where the one being read opened. */
  #rowStart = -1;
  #rowEnd = -1;
  #openedAt = -1;
  /** Of each literal in the key, where it stands in the text. Undefined: nobody has asked. */
  #places: { readonly starts: number[]; readonly ends: number[] } | undefined;

  /** The key as a string; costs a copy, so it is made on demand. */
  get key(): string {
    return this.#key.toString('latin1', 0, this.#length);
  }

  get keyLength(): number {
    return this.#length;
  }

  /**
   * Of the text that was read last, with `keepLiterals`: what is left of it without what repeats. Of many literals in a row, and of
   * many rows of them, the first are there. It is to us what the text itself is.
   */
  reduced(sql: Buffer): Buffer {
    const places = this.#places;
    invariant(places !== undefined, 'it is known where the literals stand');
    const key = this.#key;
    const pieces: Buffer[] = [];
    let from = 0;
    for (let at = 0; at < this.#length; at++) {
      const start = places.starts[at];
      if (key[at] !== LITERAL || start === undefined || start === -1) continue;
      // A string goes on behind another one only on a line of its own.
      const blank = at > from && key[at - 1] === SPACE;
      pieces.push(Buffer.from(key.subarray(from, blank ? at - 1 : at)));
      if (blank) pieces.push(NEW_LINE);
      pieces.push(sql.subarray(start, places.ends[at]));
      from = at + 1;
    }
    pieces.push(Buffer.from(key.subarray(from, this.#length)));
    return Buffer.concat(pieces);
  }

  /** True for one statement of the query family; false means: take the exact text. */
  read(sql: Uint8Array, standardStrings: boolean, keepLiterals = false): boolean {
    this.#places = keepLiterals ? { starts: [], ends: [] } : undefined;
    if (this.#key.length < sql.length + 8) this.#key = Buffer.allocUnsafe(sql.length * 2);
    // Locals: the loop below runs for every byte of every statement.
    const classes = classOf;
    const wordCharacter = WORD_CHARACTER;
    const length = sql.length;
    const key = this.#key;
    this.#literalEnd = -1;
    this.#literalRun = 0;
    this.#rowStart = -1;
    this.#rowEnd = -1;
    this.#openedAt = -1;
    let out = 0;
    let blank = false;
    let at = skipBlanks(sql, 0, length);
    this.start = at;
    this.end = length;
    if (!isQueryStart(sql, at)) return false;

    while (at < length) {
      const byte = sql[at]!;
      const kind = classes[byte]!;
      if (kind === BLANK) {
        blank = true;
        at++;
        continue;
      }
      // Before anything is written: what separates like a blank, what ends the statement, what makes us give up.
      if (kind > BLANK) {
        if (kind === HYPHEN && sql[at + 1] === 0x2d) {
          at = lineCommentEnd(sql, at);
          blank = true;
          continue;
        }
        if (kind === SLASH && sql[at + 1] === 0x2a) {
          at = blockCommentEnd(sql, at);
          if (at === -1) return false;
          blank = true;
          continue;
        }
        if (kind === SEMICOLON) {
          if (!onlySemicolons(sql, at)) return false;
          this.end = at;
          break;
        }
        if (kind === CONTROL) return false;
      }

      if (blank) {
        key[out++] = SPACE;
        blank = false;
      }
      if (kind === LETTER) {
        const wordStart = at;
        let letter = byte;
        do {
          key[out++] = letter;
          if (++at === length) break;
          letter = sql[at]!;
        } while (wordCharacter[letter] === 1);
        if (at - wordStart > 1) continue;
        // `letter` is the byte after the word: U& names are beyond us, E opens a string with escapes.
        if (letter === 0x26 && (byte | 0x20) === 0x75) return false;
        if (letter === 0x27 && (byte | 0x20) === 0x65) {
          at = stringEnd(sql, at, true);
          if (at === -1 || (standardStrings && mayContinue(sql, at))) return false;
          out = this.#literal(out - 1, wordStart, at);
        }
      } else if (kind === OTHER) {
        if (byte === OPEN) this.#openedAt = out;
        key[out++] = byte;
        at++;
        if (byte === CLOSE) out = this.#closeRow(out);
      } else if (kind === DIGIT) {
        const start = at;
        at = numberEnd(sql, at);
        if (wordCharacter[sql[at]!] === 1) return false;
        out = this.#literal(out, start, at);
      } else if (kind === QUOTE) {
        const start = at;
        at = stringEnd(sql, at, !standardStrings);
        if (at === -1) return false;
        out = this.#literal(out, start, at);
      } else if (kind === DOUBLE_QUOTE) {
        const end = quotedNameEnd(sql, at);
        if (end === -1) return false;
        while (at < end) {
          if (this.#places !== undefined) this.#places.starts[out] = -1;
          key[out++] = sql[at++]!;
        }
      } else if (kind === DOLLAR) {
        if (classes[sql[at + 1]!] === DIGIT) {
          do {
            key[out++] = sql[at++]!;
          } while (classes[sql[at]!] === DIGIT);
          if (wordCharacter[sql[at]!] === 1) return false;
        } else {
          const start = at;
          at = dollarStringEnd(sql, at);
          if (at <= 0) return false;
          out = this.#literal(out, start, at);
        }
      } else {
        // A hyphen or slash that opens no comment.
        key[out++] = byte;
        at++;
      }
    }
    this.end = trimEnd(sql, this.start, this.end);
    this.#length = out;
    return true;
  }

  /** Two literals in a row say as much as two thousand: `IN (1, 2, 3)` and `IN (7, 8)` are one key. */
  #literal(out: number, start: number, end: number): number {
    const key = this.#key;
    const previous = this.#literalEnd;
    if (previous !== -1 && key[previous] === COMMA && isGap(key, previous + 1, out)) {
      this.#literalRun++;
      if (this.#literalRun > 2) return previous;
    } else {
      this.#literalRun = 1;
    }
    key[out] = LITERAL;
    if (this.#places !== undefined) {
      this.#places.starts[out] = start;
      this.#places.ends[out] = end;
    }
    this.#literalEnd = out + 1;
    return out + 1;
  }

  /** Likewise rows of literals: an INSERT of a thousand rows has the key of one row. */
  #closeRow(out: number): number {
    const key = this.#key;
    const opened = this.#openedAt;
    this.#openedAt = -1;
    if (opened === -1 || !isLiteralRow(key, opened, out)) return out;
    const previousEnd = this.#rowEnd;
    if (
      previousEnd !== -1 &&
      key[previousEnd] === COMMA &&
      isGap(key, previousEnd + 1, opened) &&
      key.compare(key, this.#rowStart, previousEnd, opened, out) === 0
    ) {
      // The last literal went with the row.
      this.#literalEnd = -1;
      return previousEnd;
    }
    this.#rowStart = opened;
    this.#rowEnd = out;
    return out;
  }
}

function isQueryStart(sql: Uint8Array, at: number): boolean {
  if (sql[at] === OPEN) return true;
  for (const word of QUERY_WORDS) {
    if ((sql[at]! | 0x20) !== word[0]) continue;
    let matched = 1;
    while (matched < word.length && (sql[at + matched]! | 0x20) === word[matched]) matched++;
    if (matched === word.length && WORD_CHARACTER[sql[at + matched]!] !== 1) return true;
  }
  return false;
}

function onlySemicolons(sql: Uint8Array, from: number): boolean {
  let at = from;
  while (at < sql.length && sql[at] === 0x3b) at = skipBlanks(sql, at + 1, sql.length);
  return at === sql.length;
}

/** After an escape string: could a string on a following line belong to it, and so be read with escapes too? */
function mayContinue(sql: Uint8Array, from: number): boolean {
  const next = skipBlanks(sql, from, sql.length);
  return next > from && sql[next] === 0x27;
}

function numberEnd(sql: Uint8Array, start: number): number {
  const second = sql[start + 1]! | 0x20;
  if (sql[start] === 0x30 && (second === 0x78 || second === 0x6f || second === 0x62)) {
    let at = start + 2;
    while (isHexDigit(sql[at]!)) at++;
    return at;
  }
  let at = digitsEnd(sql, start);
  if (sql[at] === 0x2e) at = digitsEnd(sql, at + 1);
  if ((sql[at]! | 0x20) === 0x65) {
    const sign = sql[at + 1] === 0x2b || sql[at + 1] === 0x2d ? 1 : 0;
    if (classOf[sql[at + 1 + sign]!] === DIGIT) at = digitsEnd(sql, at + 1 + sign);
  }
  return at;
}

function digitsEnd(sql: Uint8Array, start: number): number {
  let at = start;
  while (classOf[sql[at]!] === DIGIT || (sql[at] === 0x5f && at > start)) at++;
  return at;
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return classOf[byte] === DIGIT || byte === 0x5f || (lower >= 0x61 && lower <= 0x66);
}

/** Nothing, or the one blank that layout leaves. */
function isGap(key: Uint8Array, start: number, end: number): boolean {
  return start === end || (start + 1 === end && key[start] === SPACE);
}

function isLiteralRow(key: Uint8Array, start: number, end: number): boolean {
  if (end - start < 3) return false;
  for (let at = start + 1; at < end - 1; at++) {
    const byte = key[at];
    if (byte !== LITERAL && byte !== COMMA && byte !== SPACE) return false;
  }
  return true;
}
