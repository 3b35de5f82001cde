/** Which parameters a statement has: `$1` where it is one, and not in a literal, a name or a comment. */
import {
  blockCommentEnd,
  classOf,
  DIGIT,
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

/** As many as the protocol can carry. */
const PARAMETERS_MAX = 65_535;

/** The highest number that is asked for, 0 for none. What is unterminated counts up to there. */
export function parameterCount(sql: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < sql.length && at !== -1; ) {
    switch (classOf[sql[at]!]) {
      case LETTER: {
        const end = wordEnd(sql, at);
        const escapes = end === at + 1 && (sql[at]! | 0x20) === 0x65 && sql[end] === 0x27;
        at = escapes ? stringEnd(sql, end, true) : end;
        break;
      }
      case QUOTE:
        at = stringEnd(sql, at, false);
        break;
      case DOUBLE_QUOTE:
        at = quotedNameEnd(sql, at);
        break;
      case HYPHEN:
        at = sql[at + 1] === 0x2d ? lineCommentEnd(sql, at) : at + 1;
        break;
      case SLASH:
        at = sql[at + 1] === 0x2a ? blockCommentEnd(sql, at) : at + 1;
        break;
      case DOLLAR: {
        const end = digitsEnd(sql, at + 1);
        if (end > at + 1) {
          const number = Number(Buffer.from(sql.subarray(at + 1, end)).toString('latin1'));
          if (number <= PARAMETERS_MAX) count = Math.max(count, number);
          at = end;
        } else at = dollarStringEnd(sql, at) || at + 1;
        break;
      }
      default:
        at += 1;
    }
  }
  return count;
}

function digitsEnd(sql: Uint8Array, start: number): number {
  let at = start;
  while (classOf[sql[at] ?? 0] === DIGIT) at += 1;
  return at;
}
