/** The password in CREATE ROLE and ALTER ROLE, as it stands in the text: it is carried as what a server keeps of it. */
import { isUtf8 } from 'node:buffer';
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
  skipBlanks,
  SLASH,
  stringEnd,
  wordEnd,
} from './scan.ts';

export interface RolePassword {
  /** Of the literal, quotes included. */
  readonly start: number;
  readonly end: number;
  readonly password: string;
}

/**
 * Of a text that is such a statement, read with standard_conforming_strings. Undefined where it is not one plain string that
 * anybody reads alike: with escapes, in parts, or not in UTF-8.
 */
export function findRolePassword(text: Buffer): RolePassword | undefined {
  let found: RolePassword | undefined;
  let at = 0;
  while (at < text.length) {
    switch (classOf[text[at]!]) {
      case LETTER: {
        const end = wordEnd(text, at);
        const word = text.toString('latin1', at, end).toLowerCase();
        at = end;
        if (word !== 'password') break;
        const start = skipBlanks(text, end, text.length);
        const literal = literalAt(text, start);
        if (literal === undefined || found !== undefined) return undefined;
        found = literal;
        at = literal.end;
        break;
      }
      case QUOTE:
        at = stringEnd(text, at, false);
        break;
      case DOUBLE_QUOTE:
        at = quotedNameEnd(text, at);
        break;
      case DOLLAR:
        at = dollarStringEnd(text, at) || at + 1;
        break;
      case HYPHEN:
        at = text[at + 1] === 0x2d ? lineCommentEnd(text, at) : at + 1;
        break;
      case SLASH:
        at = text[at + 1] === 0x2a ? blockCommentEnd(text, at) : at + 1;
        break;
      default:
        at += 1;
    }
    if (at === -1) return undefined;
  }
  return found;
}

function literalAt(text: Buffer, start: number): RolePassword | undefined {
  const kind = classOf[text[start] ?? 0];
  let content: Buffer;
  let end: number;
  if (kind === QUOTE) {
    end = stringEnd(text, start, false);
    content = text.subarray(start + 1, end - 1);
  } else if (kind === DOLLAR) {
    end = dollarStringEnd(text, start);
    const tag = text.indexOf('$', start + 1) + 1 - start;
    content = text.subarray(start + tag, end - tag);
  } else return undefined;
  if (end <= 0 || !isUtf8(content)) return undefined;
  const next = skipBlanks(text, end, text.length);
  if (classOf[text[next] ?? 0] === QUOTE) return undefined;
  const written = content.toString();
  return { start, end, password: kind === QUOTE ? written.replaceAll("''", "'") : written };
}
