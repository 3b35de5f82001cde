/** Who is right, when members differ. Pure. */

import type { MemberDifference, TableChange } from '../../dialects/sync-contract.ts';

/**
 * Members that hold the same are one group. The largest is right; where two are as large, the one with the primary: it is
 * what clients have been shown.
 */
export function rightGroup(groups: readonly (readonly string[])[], primaryId: string): readonly string[] {
  const size = Math.max(0, ...groups.map((group) => group.length));
  const largest = groups.filter((group) => group.length === size);
  return largest.find((group) => group.includes(primaryId)) ?? largest[0] ?? [];
}

/** One sentence for each. */
export function sentences({ schema, tables, sequences }: MemberDifference): readonly string[] {
  return [...schema, ...tables.map(tableSentence), ...sequences];
}

function tableSentence({ table, missing, extra, samples }: TableChange): string {
  const counts = [
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(extra > 0 ? [`${extra} too many`] : []),
  ].join(', ');
  const shown = samples.map(({ kind, row }) => `${kind === 'missing' ? 'lacks' : 'has'} ${row}`).join('; ');
  return `rows of ${table}: ${counts}${shown === '' ? '' : ` (${shown})`}`;
}
