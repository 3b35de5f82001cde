/**
 * How long the server's grammar would sit over a text, told in one pass without it. What it makes of a text grows with the
 * number of its tokens; and at each character of a run of operator characters its scanner looks at the rest of the run
 * again, in comments too.
 */
import {
  blockCommentEnd,
  BLANK,
  classOf,
  DIGIT,
  DOLLAR,
  dollarStringEnd,
  DOUBLE_QUOTE,
  isOperator,
  LETTER,
  lineCommentEnd,
  QUOTE,
  quotedNameEnd,
  stringEnd,
  wordEnd,
} from './scan.ts';

/** `twisted`: it has a run that no statement has which anybody means. `tokens`: there are more than were asked for. */
export type Weight = 'light' | 'tokens' | 'twisted';

/** An operator has 63 at most; comments draw lines with them. */
const runMax = 1000;
/** The squares of all runs in comments: a thousand lines across the screen. */
const runWorkMax = 10_000_000;

export function weigh(sql: Uint8Array, tokensMax: number): Weight {
  let tokens = 0;
  let runWork = 0;
  let at = 0;
  while (at < sql.length) {
    const kind = classOf[sql[at]!];
    let end: number;
    if (kind === BLANK) {
      at += 1;
      continue;
    }
    if (isOperator[sql[at]!] === 1) {
      if (sql[at] === 0x2d && sql[at + 1] === 0x2d) {
        at = lineCommentEnd(sql, at);
        continue;
      }
      if (sql[at] === 0x2f && sql[at + 1] === 0x2a) {
        end = blockCommentEnd(sql, at);
        if (end === -1) end = sql.length;
        runWork += workOfRuns(sql, at, end);
        if (runWork > runWorkMax) return 'twisted';
        at = end;
        continue;
      }
      const run = operatorsEnd(sql, at) - at;
      runWork += run;
      if (run > runMax || runWork > runWorkMax) return 'twisted';
      end = runEnd(sql, at);
      // Each of them may be one by itself.
      tokens += end - at - 1;
    } else if (kind === LETTER) {
      end = wordEnd(sql, at);
      if (end === at + 1 && sql[end] === 0x27) end = stringEnd(sql, end, (sql[at]! | 0x20) === 0x65);
    } else if (kind === DIGIT) {
      end = at + 1;
      while (classOf[sql[end] ?? 0] === DIGIT) end += 1;
    } else if (kind === QUOTE) end = stringEnd(sql, at, false);
    else if (kind === DOUBLE_QUOTE) end = quotedNameEnd(sql, at);
    else if (kind === DOLLAR) end = dollarStringEnd(sql, at) || at + 1;
    else end = at + 1;
    tokens += 1;
    if (tokens > tokensMax) return 'tokens';
    // What has no end is over in one go for the server as well.
    if (end === -1) return 'light';
    at = end;
  }
  return 'light';
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

/** Whatever begins or ends among them. */
function operatorsEnd(sql: Uint8Array, start: number): number {
  let at = start;
  while (at < sql.length && isOperator[sql[at]!] === 1) at += 1;
  return at;
}

/** More than is allowed where one is too long. The last one goes on behind the comment. */
function workOfRuns(sql: Uint8Array, start: number, commentEnd: number): number {
  const end = operatorsEnd(sql, commentEnd);
  let work = 0;
  let run = 0;
  for (let at = start; at < end; at++) {
    if (isOperator[sql[at]!] === 1) {
      run += 1;
      // The square, as it grows.
      work += 2 * run - 1;
      if (run > runMax) return Infinity;
    } else run = 0;
  }
  return work;
}
