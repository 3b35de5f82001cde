/** Puts the triggers back without which nobody would carry what is written to a table to the others. */

import type { DataSync, Finding } from '../../dialects/sync-contract.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import type { World } from '../world.ts';

export interface WatchParts {
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
}

export async function watchAgain(
  { membership, roster, world }: WatchParts,
  data: DataSync,
  { id, found }: { readonly id: string; readonly found: readonly Finding[] },
): Promise<void> {
  await data.watchTables(roster.member(id), membership.term);
  world.raise({ type: 'capture-restored', member: id, tables: found.map(({ what }) => what) });
}

/** By member, of those that are active. */
export async function findUnwatched(
  { membership, roster }: WatchParts,
  data: DataSync,
): Promise<ReadonlyMap<string, readonly Finding[]>> {
  const all = await Promise.all(
    membership.active.map(async (id) => [id, await data.unwatchedTables(roster.member(id))] as const),
  );
  return new Map(all.filter(([, found]) => found.length > 0));
}
