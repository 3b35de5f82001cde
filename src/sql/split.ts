/**
 * Where the statements of a long text end, told without the grammar, so that each can be examined by itself. A text that is
 * cut in the wrong place gives pieces that are no statements: what is sent to a server is what was examined, piece by piece.
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
  SEMICOLON,
  SLASH,
  stringEnd,
  wordEnd,
} from './scan.ts';

export interface Piece {
  readonly start: number;
  /** Before the semicolon. */
  readonly end: number;
}

const OPEN = 0x28;
const CLOSE = 0x29;

/** One after the other, so that each can be examined before the next is looked for. Returns false when something has no end. */
export function* splitStatements(sql: Uint8Array): Generator<Piece, boolean> {
  let start = 0;
  let parentheses = 0;
  let body = new BodyOfRoutine();
  let at = 0;
  while (at < sql.length) {
    switch (classOf[sql[at]!]) {
      case LETTER: {
        const end = wordEnd(sql, at);
        const quoted = end === at + 1 && sql[end] === 0x27;
        if (!quoted) body.word(sql, at, end);
        at = quoted ? stringEnd(sql, end, (sql[at]! | 0x20) === 0x65) : end;
        break;
      }
      case QUOTE:
        at = stringEnd(sql, at, false);
        break;
      case DOUBLE_QUOTE:
        at = quotedNameEnd(sql, at);
        body.other();
        break;
      case DOLLAR:
        at = dollarStringEnd(sql, at) || at + 1;
        break;
      case HYPHEN:
        at = sql[at + 1] === 0x2d ? lineCommentEnd(sql, at) : at + 1;
        break;
      case SLASH:
        at = sql[at + 1] === 0x2a ? blockCommentEnd(sql, at) : at + 1;
        break;
      case SEMICOLON:
        if (parentheses === 0 && !body.open) {
          yield { start, end: at };
          start = at + 1;
          body = new BodyOfRoutine();
        }
        at += 1;
        break;
      default:
        if (sql[at] === OPEN) parentheses += 1;
        else if (sql[at] === CLOSE) parentheses = Math.max(0, parentheses - 1);
        at += 1;
    }
    if (at === -1) return false;
  }
  yield { start, end: sql.length };
  return true;
}

/** `CREATE FUNCTION … BEGIN ATOMIC …; …; END` has semicolons of its own. */
class BodyOfRoutine {
  #words = 0;
  #creates = false;
  #depth = 0;

  get open(): boolean {
    return this.#depth > 0;
  }

  other(): void {
    this.#words += 1;
  }

  word(sql: Uint8Array, start: number, end: number): void {
    this.#words += 1;
    // The words that matter here are short.
    if (end - start > 9) return;
    const word = Buffer.from(sql.buffer, sql.byteOffset + start, end - start)
      .toString('latin1')
      .toUpperCase();
    if (this.#words === 1) this.#creates = word === 'CREATE';
    else if (!this.#creates) return;
    else if (this.#words <= 4 && (word === 'FUNCTION' || word === 'PROCEDURE')) this.#routine = true;
    else if (!this.#routine) return;
    else if (word === 'BEGIN' || (word === 'CASE' && this.open)) this.#depth += 1;
    else if (word === 'END' && this.open) this.#depth -= 1;
  }

  #routine = false;
}
