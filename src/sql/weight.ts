/**
 * Texts over which the server's grammar would sit for seconds: at each character of a long run of operator characters its scanner looks at
 * the rest of the run again, in comments too. No statement that anybody means has such a run.
 */
import {
  blockCommentEnd,
  classOf,
  DOLLAR,
  dollarStringEnd,
  DOUBLE_QUOTE,
  LETTER,
  lineCommentEnd,
  QUOTE,
  quotedNameEnd,
  stringEnd,
  wordEnd,
} from './scan.ts';

/** An operator has 63 at most; comments draw lines with them. */
const runMax = 1000;

const isOperator = new Uint8Array(256);
for (const character of '~!@#^&|`?+-*/%<>=') isOperator[character.charCodeAt(0)] = 1;

/** In one pass. */
export function isTwisted(sql: Uint8Array): boolean {
  let at = 0;
  while (at < sql.length) {
    const kind = classOf[sql[at]!];
    let end: number;
    if (isOperator[sql[at]!] === 1) {
      if (sql[at] === 0x2d && sql[at + 1] === 0x2d) end = lineCommentEnd(sql, at);
      else if (sql[at] === 0x2f && sql[at + 1] === 0x2a) {
        end = blockCommentEnd(sql, at);
        if (end === -1) end = sql.length;
        if (hasLongRun(sql, at, end)) return true;
      } else {
        end = runEnd(sql, at);
        if (end - at > runMax) return true;
      }
    } else if (kind === LETTER) {
      end = wordEnd(sql, at);
      if (end === at + 1 && sql[end] === 0x27) end = stringEnd(sql, end, (sql[at]! | 0x20) === 0x65);
    } else if (kind === QUOTE) end = stringEnd(sql, at, false);
    else if (kind === DOUBLE_QUOTE) end = quotedNameEnd(sql, at);
    else if (kind === DOLLAR) end = dollarStringEnd(sql, at) || at + 1;
    else end = at + 1;
    // What has no end is over in one go for the server as well.
    if (end === -1) return false;
    at = end;
  }
  return false;
}

/** Up to where a comment may begin: that is looked at by itself. */
function runEnd(sql: Uint8Array, start: number): number {
  let at = start;
  while (at < sql.length && isOperator[sql[at]!] === 1) {
    if (at > start && sql[at] === 0x2f && sql[at + 1] === 0x2a) break;
    if (at > start && sql[at] === 0x2d && sql[at + 1] === 0x2d) break;
    at += 1;
  }
  return at;
}

function hasLongRun(sql: Uint8Array, start: number, end: number): boolean {
  let run = 0;
  for (let at = start; at < end; at++) {
    run = isOperator[sql[at]!] === 1 ? run + 1 : 0;
    if (run > runMax) return true;
  }
  return false;
}
