/**
 * Where lexical elements of PostgreSQL end. Each function takes the index of an element's first byte and returns the
 * index after its last, or -1 when the text ends first. Bytes above 0x7F count as letters, as in the server.
 */

/** The classes of bytes, the commonest first: the lexer relies on that order. */
export const OTHER = 0;
export const LETTER = 1;
export const DIGIT = 2;
export const BLANK = 3;
export const QUOTE = 4;
export const DOUBLE_QUOTE = 5;
export const DOLLAR = 6;
export const HYPHEN = 7;
export const SLASH = 8;
export const SEMICOLON = 9;
export const CONTROL = 10;

/** The class of each byte. */
export const classOf: Uint8Array = makeClasses();

function makeClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  classes.fill(CONTROL, 0, 32);
  classes.fill(LETTER, 128, 256);
  classes[127] = CONTROL;
  for (let byte = 48; byte <= 57; byte++) classes[byte] = DIGIT;
  for (let byte = 65; byte <= 90; byte++) classes[byte] = classes[byte + 32] = LETTER;
  for (const byte of [32, 9, 10, 11, 12, 13]) classes[byte] = BLANK;
  const singles: readonly (readonly [string, number])[] = [
    ['_', LETTER],
    ["'", QUOTE],
    ['"', DOUBLE_QUOTE],
    ['$', DOLLAR],
    ['-', HYPHEN],
    ['/', SLASH],
    [';', SEMICOLON],
  ];
  for (const [character, kind] of singles) classes[character.charCodeAt(0)] = kind;
  return classes;
}

/** 1 for each byte that operators are made of. */
export const isOperator = new Uint8Array(256);
for (const character of '~!@#^&|`?+-*/%<>=') isOperator[character.charCodeAt(0)] = 1;

const DOLLAR_SIGN = 0x24;

export function wordEnd(sql: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < sql.length) {
    const kind = classOf[sql[at]!]!;
    if (kind !== LETTER && kind !== DIGIT && kind !== DOLLAR) break;
    at++;
  }
  return at;
}

/** From the opening quote; with `escapes` a backslash takes the next byte with it. */
export function stringEnd(sql: Uint8Array, start: number, escapes: boolean): number {
  for (let at = start + 1; at < sql.length; at++) {
    const byte = sql[at];
    if (byte === 0x5c && escapes) at++;
    else if (byte === 0x27) {
      if (sql[at + 1] !== 0x27) return at + 1;
      at++;
    }
  }
  return -1;
}

export function quotedNameEnd(sql: Uint8Array, start: number): number {
  for (let at = start + 1; at < sql.length; at++) {
    if (sql[at] === 0x22) {
      if (sql[at + 1] !== 0x22) return at + 1;
      at++;
    }
  }
  return -1;
}

/** From a `$` that opens `$tag$`; 0 when it opens nothing. */
export function dollarStringEnd(sql: Uint8Array, start: number): number {
  let tagEnd = start + 1;
  while (tagEnd < sql.length && sql[tagEnd] !== 0x24) {
    const kind = classOf[sql[tagEnd]!]!;
    if (kind !== LETTER && (kind !== DIGIT || tagEnd === start + 1)) return 0;
    tagEnd++;
  }
  if (tagEnd === sql.length) return 0;
  const length = tagEnd + 1 - start;
  // Found by its first byte: many short ones would cost a view of the buffer each.
  for (let at = sql.indexOf(DOLLAR_SIGN, tagEnd + 1); at !== -1; at = sql.indexOf(DOLLAR_SIGN, at + 1)) {
    let same = 1;
    while (same < length && sql[at + same] === sql[start + same]) same++;
    if (same === length) return at + length;
  }
  return -1;
}

export function lineCommentEnd(sql: Uint8Array, start: number): number {
  let at = start;
  while (at < sql.length && sql[at] !== 0x0a && sql[at] !== 0x0d) at++;
  return at;
}

/** Block comments nest. */
export function blockCommentEnd(sql: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at + 1 < sql.length; at++) {
    if (sql[at] === 0x2f && sql[at + 1] === 0x2a) {
      depth++;
      at++;
    } else if (sql[at] === 0x2a && sql[at + 1] === 0x2f) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

/** The first byte that is neither blank nor comment, at most `end`. */
export function skipBlanks(sql: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    if (classOf[sql[at]!] === BLANK) at++;
    else if (sql[at] === 0x2d && sql[at + 1] === 0x2d) at = lineCommentEnd(sql, at);
    else if (sql[at] === 0x2f && sql[at + 1] === 0x2a) {
      const after = blockCommentEnd(sql, at);
      if (after === -1) return at;
      at = after;
    } else return at;
  }
  return end;
}

/** `end` without the blanks before it; comments stay. */
export function trimEnd(sql: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && classOf[sql[at - 1]!] === BLANK) at--;
  return at;
}
