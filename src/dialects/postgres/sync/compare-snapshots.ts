/** What members hold, held against each other: schema, rows, sequences, and whether every table is watched. */

import { LockstepError } from '../../../base/index.ts';
import type { CompareRequest, Comparison, Finding } from '../../sync-contract.ts';
import { compareTable } from './compare-table.ts';
import { Crew } from './crew.ts';
import { grouped } from './grouped.ts';
import { Party } from './party.ts';
import type { PostgresSnapshot } from './postgres-snapshot.ts';
import { definitionDifferences, definitionsOf } from './schema-verdict.ts';
import { giveWayToSchemaWork } from './schema-waiters.ts';
import { unexplainedPositions } from './sequence-difference.ts';
import { SyncProgress } from './sync-progress.ts';
import { isMeant } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';
import { unwatchedTables } from './unwatched-tables.ts';

type Findings = ReadonlyMap<string, readonly Finding[]>;

const nothing: Findings = new Map();

export interface CompareOptions {
  readonly sliceRows: number;
  /** How long a sequence may take to reach where another member's was. */
  readonly sequencePatienceMs: number;
}

export async function compareSnapshots(
  snapshots: readonly PostgresSnapshot[],
  request: CompareRequest,
  options: CompareOptions,
): Promise<Comparison> {
  const { control, definitions } = request;
  return await Crew.run(control.signal, async (crew) => {
    const positions = definitions
      ? unexplainedPositions(
          crew,
          snapshots.map(({ member }) => member),
          { patienceMs: options.sequencePatienceMs, right: (groups) => request.right(groups, undefined) },
        )
      : Promise.resolve(nothing);
    positions.catch((error: unknown) => crew.stop(error));
    const parties = await Promise.all(snapshots.map((snapshot) => Party.enter(crew, snapshot)));
    const tables = chosenTables(parties, request);
    const progress = new SyncProgress(control, tables);
    progress.enter('schema');
    const unwatched = await collected(parties, (party) => party.snapshot.use(unwatchedTables));
    const schema = definitions ? await schemaFindings(parties, request) : nothing;
    const done = new AbortController();
    const watches = parties.map(({ snapshot }) => giveWayToSchemaWork(crew, snapshot.member, done.signal));
    let complete = true;
    try {
      progress.enter('compare');
      for (const [at, { name }] of tables.entries()) {
        const found = await compareTable(crew, parties, name, { request, progress, ...options });
        if (request.onTable(found) || at === tables.length - 1) continue;
        complete = false;
        break;
      }
    } finally {
      done.abort();
      await Promise.all(watches);
    }
    return { schema, unwatched, sequences: await positions, complete };
  });
}

async function schemaFindings(parties: readonly Party[], request: CompareRequest): Promise<Findings> {
  const sides = await Promise.all(
    parties.map(async ({ snapshot }) => {
      const { major, memberId } = snapshot;
      const found = await snapshot.use((connection) => definitionsOf({ connection, major }));
      return [memberId, found] as const;
    }),
  );
  const groups = grouped(sides, (one, other) => definitionDifferences(one, other).length === 0);
  if (groups.length === 1) return nothing;
  const ids = request.right(
    groups.map((group) => group.map(([id]) => id)),
    undefined,
  );
  const right = sides.find(([id]) => id === ids[0]);
  if (right === undefined) return nothing;
  return new Map(
    sides
      .filter(([id]) => !ids.includes(id))
      .map((other) => [other[0], definitionDifferences(right, other)] as const),
  );
}

async function collected(
  parties: readonly Party[],
  look: (party: Party) => Promise<readonly Finding[]>,
): Promise<Findings> {
  const all = await Promise.all(parties.map(async (party) => [party.id, await look(party)] as const));
  return new Map(all.filter(([, findings]) => findings.length > 0));
}

/** By name, those of all members; the sizes are those of the first that has it. */
function chosenTables(parties: readonly Party[], request: CompareRequest): readonly SyncTable[] {
  const all = new Map<string, SyncTable>();
  for (const { tables } of parties)
    for (const [name, table] of tables) if (!all.has(name)) all.set(name, table);
  const { tables: words, skip } = request;
  for (const word of words ?? []) {
    if ([...all.values()].some((table) => isMeant(table, word))) continue;
    throw new LockstepError({
      code: 'sync.no-such-table',
      message: `there is no table ${word}`,
      hint: 'Write it as schema.table, or without the schema; quotes are not needed.',
    });
  }
  return [...all.values()]
    .filter((table) => words === undefined || words.some((word) => isMeant(table, word)))
    .filter(({ name }) => !skip.has(name));
}
