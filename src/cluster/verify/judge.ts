/** Who is right, when members differ, and what is said of it. Pure. */

import type { MemberDifference, RowPair, RowText, TableDifference } from '../../dialects/sync-contract.ts';

/**
 * Members that hold the same are one group. The one with the primary is what the others are held against: replicas are made of what it
 * handed out, so that their number proves nothing against it. Where it has nothing of the kind, the largest.
 */
export function rightGroup(groups: readonly (readonly string[])[], primaryId: string): readonly string[] {
  const [largest] = [...groups].sort((one, other) => other.length - one.length);
  return groups.find((group) => group.includes(primaryId)) ?? largest ?? [];
}

/**
 * Somebody else holds the same as the primary: whoever differs from both is wrong. Where nobody does, that is for a person to
 * judge: the primary may be wrong, or what it does may not have reached anybody.
 */
export function isWitnessed(
  primaryId: string,
  compared: readonly string[],
  differs: (id: string) => boolean,
): boolean {
  return compared.includes(primaryId) && compared.some((id) => id !== primaryId && !differs(id));
}

/** One row as each of the members has it. */
export interface RowApart {
  /** Null: the table has no key. */
  readonly key: RowText | null;
  /** Those in which it is not the same everywhere. */
  readonly columns: readonly string[];
  /** Null: it is not there. A member of which that is not known is left out. */
  readonly values: Readonly<Record<string, RowText | null>>;
}

const rowsApartMax = 20;

/** Side by side, over all members. `members`: those that were compared. */
export function rowsApart(
  members: readonly string[],
  differences: ReadonlyMap<string, TableDifference>,
): readonly RowApart[] {
  const right = members.filter((id) => !differences.has(id));
  const rows = new Map<string, { key: RowText | null; right: RowText | null; others: [string, RowPair][] }>();
  let keyless = 0;
  for (const [id, { pairs }] of differences) {
    for (const pair of pairs) {
      const name = pair.key === undefined ? `${keyless++}` : JSON.stringify(pair.key);
      const row = rows.get(name) ?? { key: pair.key ?? null, right: pair.right ?? null, others: [] };
      row.others.push([id, pair]);
      rows.set(name, row);
    }
  }
  return [...rows.values()].slice(0, rowsApartMax).map(({ key, right: expected, others }) => {
    const values = Object.fromEntries([
      ...right.map((id) => [id, expected] as const),
      ...others.map(([id, { other }]) => [id, other ?? null] as const),
    ]);
    return { key, columns: differingColumns(Object.values(values)), values };
  });
}

function differingColumns(all: readonly (RowText | null)[]): readonly string[] {
  const rows = all.filter((row) => row !== null);
  const [first] = rows;
  if (first === undefined) return [];
  if (rows.length < all.length) return Object.keys(first);
  return Object.keys(first).filter((column) => rows.some((row) => row[column] !== first[column]));
}

/** One sentence for each. */
export function sentences({ schema, tables, sequences }: MemberDifference): readonly string[] {
  return [...schema, ...tables.map(tableSentence), ...sequences];
}

export function tableSentence({ table, missing, extra, samples, atLeast }: TableDifference): string {
  const counts = [
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(extra > 0 ? [`${extra} too many`] : []),
  ].join(', ');
  const shown = samples.map(({ kind, row }) => `${kind === 'missing' ? 'lacks' : 'has'} ${row}`).join('; ');
  const found = atLeast ? (counts === '' ? 'very many' : `at least ${counts}`) : counts;
  return `rows of ${table}: ${found}${shown === '' ? '' : ` (${shown})`}`;
}
