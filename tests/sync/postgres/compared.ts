/** A comparison as one look of a verification makes it, the first member being the primary. */

import { rightGroup } from '../../../src/cluster/verify/judge.ts';
import { PostgresDataSync } from '../../../src/dialects/postgres/index.ts';
import type {
  CompareRequest,
  ComparedTable,
  Comparison,
  MemberSnapshot,
} from '../../../src/dialects/sync-contract.ts';
import { watching } from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

export const sync = new PostgresDataSync({
  pgDump: undefined,
  environment: process.env,
  sequencePatienceMs: 3000,
});

export interface Compared extends Comparison {
  readonly tables: readonly ComparedTable[];
}

export async function compareOf(
  snapshots: readonly MemberSnapshot[],
  request: Partial<CompareRequest> = {},
): Promise<Compared> {
  const tables: ComparedTable[] = [];
  const primaryId = snapshots[0]?.memberId ?? '';
  const found = await sync.compare(snapshots, {
    control: watching(),
    tables: undefined,
    skip: new Set(),
    definitions: true,
    right: (groups) => rightGroup(groups, primaryId),
    onTable: (table) => tables.push(table) > 0,
    ...request,
  });
  return { ...found, tables };
}

export async function compared(
  all: readonly FreshMember[],
  request: Partial<CompareRequest> = {},
): Promise<Compared> {
  const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
  try {
    return await compareOf(snapshots, request);
  } finally {
    for (const snapshot of snapshots) snapshot.close();
  }
}

/** By table, who differs in it. */
export function differing({ tables }: Compared): Readonly<Record<string, readonly string[]>> {
  const odd = tables.filter(({ differences }) => differences.size > 0);
  return Object.fromEntries(odd.map(({ table, differences }) => [table, [...differences.keys()]]));
}

/** Nothing is said of anybody. */
export function isEqual({ schema, sequences, unwatched, tables }: Compared): boolean {
  return (
    schema.size + sequences.size + unwatched.size === 0 &&
    tables.every(({ differences, failure }) => differences.size === 0 && failure === undefined)
  );
}
