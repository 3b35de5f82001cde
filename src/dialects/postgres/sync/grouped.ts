/** Who holds the same, in groups; each is held against the first of every group. */
export function grouped<T>(
  all: readonly T[],
  isSame: (one: T, other: T) => boolean,
): readonly (readonly T[])[] {
  const groups: [T, ...T[]][] = [];
  for (const one of all) {
    const own = groups.find(([first]) => isSame(first, one));
    if (own === undefined) groups.push([one]);
    else own.push(one);
  }
  return groups;
}
