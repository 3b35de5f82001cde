/** CREATE and DROP INDEX CONCURRENTLY, DETACH PARTITION CONCURRENTLY. */

const blank = String.raw`(?:\s|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)`;
const word = 'concurrently';
const beforeWord = new RegExp(
  `^${blank}*(?:create(?:${blank}+unique)?|drop)${blank}+index${blank}+(?=${word}(?![a-z0-9_$]))`,
  'i',
);
const lastWord = new RegExp(`${word}${blank}*;?${blank}*$`, 'i');

/**
 * Without that word the server lets them stand in a transaction. Blanks take its place, so that errors point to where they would.
 * Where it is not found, the server says what is wrong.
 */
export function withoutConcurrently(text: Buffer): Buffer {
  const read = text.toString('latin1');
  const before = beforeWord.exec(read)?.[0].length;
  const at = before ?? (/^[\s\S]*?\balter\b/i.test(read) ? lastWord.exec(read)?.index : undefined);
  if (at === undefined) return text;
  const changed = Buffer.from(text);
  changed.fill(' ', at, at + word.length);
  return changed;
}
