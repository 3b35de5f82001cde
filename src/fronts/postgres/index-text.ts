/** CREATE INDEX CONCURRENTLY as the client sent it, with another name in it. */

import { quoteIdent } from '../../sql/index.ts';

const blank = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)`;
const name = String.raw`(?:"(?:[^"]|"")*"|[a-z_\u0080-\u00ff][\w$\u0080-\u00ff]*)`;
const head = String.raw`${blank}*create(?<unique>${blank}+unique)?${blank}+index${blank}+concurrently`;
const follows = String.raw`(?=on(?![a-z0-9_$]))`;
const named = new RegExp(
  `^${head}(?:${blank}+if${blank}+not${blank}+exists)?(?:${blank}*${name}${blank}*|${blank}+)${follows}`,
  'i',
);
const unnamed = new RegExp(`^${head}${blank}+${follows}`, 'i');

export interface IndexTexts {
  /** Begins with these words and the name, in double quotes: so the server's list of what is under way shows it. */
  readonly concurrently: (name: string) => Buffer;
  /** Where in the client's text is what an error says of `concurrently`, in characters. */
  readonly position: (name: string, position: number) => number;
}

/** Undefined: it is written in a way that is not understood here. */
export function indexTexts(text: Buffer): IndexTexts | undefined {
  const read = text.toString('latin1');
  const found = unnamed.exec(read) ?? named.exec(read);
  if (found === null) return undefined;
  const words = `CREATE ${found.groups?.['unique'] === undefined ? '' : 'UNIQUE '}INDEX CONCURRENTLY`;
  const tail = text.subarray(found[0].length);
  const began = (called: string): string => `${words} ${quoteIdent(called)} `;
  const characters = Array.from(text.subarray(0, found[0].length).toString()).length;
  return {
    concurrently: (called) => Buffer.concat([Buffer.from(began(called)), tail]),
    position: (called, position) => position - began(called).length + characters,
  };
}
