/** A statement as people may see it who need not see data: its constants are question marks, its comments are gone. */
import {
  BLANK,
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

/** What has no end, because the text was cut or is wrong, is left out to its end. */
export function withoutConstants(text: string): string {
  const sql = Buffer.from(text);
  let shown = '';
  let at = 0;
  const constant = (end: number): number => {
    if (!shown.endsWith('?')) shown += '?';
    return end === -1 ? sql.length : end;
  };
  const gap = (end: number): number => {
    if (!shown.endsWith(' ') && shown !== '') shown += ' ';
    return end === -1 ? sql.length : end;
  };
  while (at < sql.length) {
    const kind = classOf[sql[at]!];
    let end = at + 1;
    if (kind === BLANK) at = gap(end);
    else if (kind === HYPHEN && sql[at + 1] === 0x2d) at = gap(lineCommentEnd(sql, at));
    else if (kind === SLASH && sql[at + 1] === 0x2a) at = gap(blockCommentEnd(sql, at));
    else if (kind === QUOTE) {
      end = stringEnd(sql, at, false);
      // Where it ends depends on a setting of the session.
      if (sql.subarray(at, end === -1 ? sql.length : end).includes("\\'")) return `${shown}?`;
      at = constant(end);
    } else if (kind === DIGIT) {
      while (/[\w.]/.test(String.fromCharCode(sql[end] ?? 0))) end += 1;
      at = constant(end);
    } else if (kind === LETTER) {
      end = wordEnd(sql, at);
      const prefixed = end === at + 1 && sql[end] === 0x27;
      if (prefixed) at = constant(stringEnd(sql, end, (sql[at]! | 0x20) === 0x65));
      else {
        shown += sql.toString('utf8', at, end);
        at = end;
      }
    } else if (kind === DOUBLE_QUOTE) {
      end = quotedNameEnd(sql, at);
      if (end === -1) return shown.trimEnd();
      shown += sql.toString('utf8', at, end);
      at = end;
    } else if (kind === DOLLAR) {
      end = dollarStringEnd(sql, at);
      if (end !== 0) at = constant(end);
      else {
        // A parameter.
        end = at + 1;
        while (classOf[sql[end] ?? 0] === DIGIT) end += 1;
        shown += sql.toString('latin1', at, end);
        at = end;
      }
    } else {
      shown += sql.toString('latin1', at, end);
      at = end;
    }
  }
  return shown.trimEnd();
}
