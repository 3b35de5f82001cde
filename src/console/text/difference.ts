/** Which lines two texts do not share. Pure. */

export interface Line {
  readonly kind: 'same' | 'gone' | 'new';
  readonly text: string;
}

/** So many lines beside each change say where it is. */
const AROUND = 2;
/** Beyond this, what lies between the first and the last change is shown as changed altogether. */
const COMPARED_MAX = 1500;

export function difference(before: string, after: string): readonly Line[] {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (head < Math.min(old.length, fresh.length) && old[head] === fresh[head]) head += 1;
  let tail = 0;
  while (
    tail < Math.min(old.length, fresh.length) - head &&
    old[old.length - 1 - tail] === fresh[fresh.length - 1 - tail]
  )
    tail += 1;
  const same = (lines: readonly string[]): readonly Line[] => lines.map((text) => ({ kind: 'same', text }));
  return [
    ...same(old.slice(Math.max(0, head - AROUND), head)),
    ...between(old.slice(head, old.length - tail), fresh.slice(head, fresh.length - tail)),
    ...same(old.slice(old.length - tail, old.length - tail + AROUND)),
  ];
}

/** By the longest common sequence of lines. */
function between(old: readonly string[], fresh: readonly string[]): readonly Line[] {
  const gone = (text: string): Line => ({ kind: 'gone', text });
  const added = (text: string): Line => ({ kind: 'new', text });
  if (old.length > COMPARED_MAX || fresh.length > COMPARED_MAX)
    return [...old.map(gone), ...fresh.map(added)];
  const width = fresh.length + 1;
  const longest = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = fresh.length - 1; j >= 0; j -= 1)
      longest[i * width + j] =
        old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    const [theirs, ours] = [old[i], fresh[j]];
    if (theirs !== undefined && theirs === ours) {
      lines.push({ kind: 'same', text: theirs });
      i += 1;
      j += 1;
    } else if (theirs !== undefined && (ours === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(gone(theirs));
      i += 1;
    } else if (ours !== undefined) {
      lines.push(added(ours));
      j += 1;
    }
  }
  return lines;
}
