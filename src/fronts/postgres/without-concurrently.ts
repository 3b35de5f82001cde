/** CREATE and DROP INDEX CONCURRENTLY on temporary tables. */

const blank = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)`;
const beforeWord = new RegExp(
  `^${blank}*(?:create(?:${blank}+unique)?|drop)${blank}+index${blank}+(?=concurrently(?![a-z0-9_$]))`,
  'i',
);

/**
 * For a temporary table the server does the same without that word, and lets it stand in a transaction. Blanks take its place, so that
 * errors point to where they would. Where it is not found, the server says what is wrong.
 */
export function withoutConcurrently(text: Buffer): Buffer {
  const before = beforeWord.exec(text.toString('latin1'))?.[0];
  if (before === undefined) return text;
  const changed = Buffer.from(text);
  changed.fill(' ', before.length, before.length + 'concurrently'.length);
  return changed;
}
