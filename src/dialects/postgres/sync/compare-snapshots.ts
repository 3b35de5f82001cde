/** What members hold, held against the first of them: schema, rows, sequences, and whether every table is watched. */

import { LockstepError } from '../../../base/index.ts';
import type { Comparison, TableChange, WorkControl } from '../../sync-contract.ts';
import { relationName, userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { Crew } from './crew.ts';
import type { PostgresSnapshot } from './postgres-snapshot.ts';
import { demandUnchanged } from './repair-table.ts';
import { schemaDifferences } from './schema-verdict.ts';
import { giveWayToSchemaWork } from './schema-waiters.ts';
import { unexplainedPositions } from './sequence-difference.ts';
import { SyncProgress } from './sync-progress.ts';
import { syncSettings } from './sync-settings.ts';
import { isMeant, readTables } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';
import { compareRows, differenceOf, isOversized, readSideDigests, sampleRows } from './table-difference.ts';
import type { TablePair } from './table-difference.ts';

/** A member in the comparison. */
interface Party {
  readonly snapshot: PostgresSnapshot;
  readonly connection: InternalConnection;
  readonly tables: ReadonlyMap<string, SyncTable>;
}

export async function compareSnapshots(
  snapshots: readonly PostgresSnapshot[],
  options: {
    readonly control: WorkControl;
    /** Tables, as an operator names them. Undefined: all. */
    readonly words: readonly string[] | undefined;
    readonly sliceRows: number;
  },
): Promise<Comparison> {
  const { control, words, sliceRows } = options;
  return await Crew.run(control.signal, async (crew) => {
    const positions = unexplainedPositions(
      crew,
      snapshots.map(({ member }) => member),
    );
    positions.catch((error: unknown) => crew.stop(error));
    const parties = await Promise.all(snapshots.map((snapshot) => enter(crew, snapshot)));
    const [first, ...others] = parties;
    const found = new Map<string, { schema: string[]; tables: TableChange[]; sequences: string[] }>();
    const looked: Comparison['tables'][number][] = [];
    if (first === undefined) return { differences: found, tables: looked };
    const of = (party: Party): { schema: string[]; tables: TableChange[]; sequences: string[] } => {
      const known = found.get(party.snapshot.memberId) ?? { schema: [], tables: [], sequences: [] };
      found.set(party.snapshot.memberId, known);
      return known;
    };
    const tables = chosenTables(first, words);
    const progress = new SyncProgress(control, tables);
    progress.enter('schema');
    for (const party of parties) {
      const unwatched = await party.snapshot.use(unwatchedTables);
      if (unwatched.length > 0) of(party).schema.push(...unwatched);
      if (party === first) continue;
      const differences = await first.snapshot.use((right) =>
        party.snapshot.use((other) => schemaDifferences(sideOf(first, right), sideOf(party, other))),
      );
      if (differences.length > 0) of(party).schema.push(...differences);
    }
    const done = new AbortController();
    const watches = parties.map(({ snapshot }) => giveWayToSchemaWork(crew, snapshot.member, done.signal));
    try {
      progress.enter('compare');
      for (const table of tables) {
        const { rows, changes } = await compareTable([first, ...others], table, { progress, sliceRows });
        looked.push({ table: table.name, rows });
        for (const [party, change] of changes) of(party).tables.push(change);
      }
    } finally {
      done.abort();
      await Promise.all(watches);
    }
    for (const [id, sequences] of await positions) {
      const party = parties.find(({ snapshot }) => snapshot.memberId === id);
      if (party !== undefined) of(party).sequences.push(...sequences);
    }
    return { differences: found, tables: looked };
  });
}

async function enter(crew: Crew, snapshot: PostgresSnapshot): Promise<Party> {
  const connection = await crew.open(snapshot.member, syncSettings);
  return { snapshot, connection, tables: await snapshot.use(readTables) };
}

function sideOf(
  { snapshot }: Party,
  connection: InternalConnection,
): { memberId: string; major: number; connection: InternalConnection } {
  return { memberId: snapshot.memberId, major: snapshot.major, connection };
}

function chosenTables({ tables }: Party, words: readonly string[] | undefined): readonly SyncTable[] {
  if (words === undefined) return [...tables.values()];
  for (const word of words) {
    if ([...tables.values()].some((table) => isMeant(table, word))) continue;
    throw new LockstepError({
      code: 'sync.no-such-table',
      message: `there is no table ${word}`,
      hint: 'Write it as schema.table, or without the schema; quotes are not needed.',
    });
  }
  return [...tables.values()].filter((table) => words.some((word) => isMeant(table, word)));
}

/** Changes of these would reach no other member. */
async function unwatchedTables(connection: InternalConnection): Promise<readonly string[]> {
  const rows = await connection.rows(
    `SELECT ${relationName}, w.name FROM ${userRelations('r')} CROSS JOIN (VALUES ('!lockstep_capture'), ('!lockstep_inserted')) AS w (name)
      WHERE NOT (c.relispartition AND w.name = '!lockstep_inserted')
        AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = w.name AND t.tgenabled = 'O') ORDER BY 1, 2`,
  );
  return rows.map(
    ([name, trigger]) => `table ${name} is not watched: its trigger "${trigger}" is missing or disabled`,
  );
}

/** Tables whose columns differ are among the differences of the schema already. */
async function compareTable(
  parties: readonly Party[],
  table: SyncTable,
  { progress, sliceRows }: { readonly progress: SyncProgress; readonly sliceRows: number },
): Promise<{ rows: number; changes: readonly (readonly [Party, TableChange])[] }> {
  const comparable = parties.flatMap((party) => {
    const own = party.tables.get(table.name);
    if (own === undefined || table.columns.some((column) => !own.columns.includes(column))) return [];
    return [{ party, own: { ...own, columns: table.columns } }];
  });
  const estimate = Math.max(...comparable.map(({ own }) => own.rowsEstimate));
  try {
    const digests = await Promise.all(
      comparable.map(async ({ party, own }) => {
        await party.connection.query(party.snapshot.begin);
        await demandUnchanged(party.connection, party.snapshot, own);
        const { pieceBytesMax } = progress;
        const side = { connection: party.connection, table: own, major: party.snapshot.major, pieceBytesMax };
        const onPiece = async ({ rows, bytes }: { rows: number; bytes: number }): Promise<void> =>
          await progress.moved(table, party === parties[0] ? rows : 0, bytes);
        return { party, side, onPiece, digests: await readSideDigests(side, estimate, onPiece) };
      }),
    );
    const [right, ...rest] = digests;
    if (right === undefined) return { rows: 0, changes: [] };
    const changes: [Party, TableChange][] = [];
    for (const other of rest) {
      const difference = differenceOf(right.digests, other.digests, sliceRows);
      if (difference.slices.length === 0) continue;
      const pair: TablePair = {
        right: right.side,
        other: other.side,
        onPiece: { right: right.onPiece, other: other.onPiece },
        sliceRows,
      };
      changes.push([other.party, await describeChange(pair, table, difference)]);
    }
    const rows = right.digests.rows.reduce((sum, count) => sum + count, 0);
    progress.tableDone(table, rows);
    return { rows, changes };
  } finally {
    for (const { party } of comparable)
      if (party.connection.lost === undefined)
        await party.connection.query('ROLLBACK').catch(() => undefined);
  }
}

async function describeChange(
  pair: TablePair,
  table: SyncTable,
  difference: ReturnType<typeof differenceOf>,
): Promise<TableChange> {
  let missing = 0;
  let extra = 0;
  const samples: TableChange['samples'][number][] = [];
  for (const slice of difference.slices) {
    if (isOversized(slice, difference)) {
      return { table: table.name, missing: difference.rowsRight, extra: difference.rowsOther, samples };
    }
    const found = await compareRows(pair, difference, slice);
    if (missing === 0)
      for (const row of await sampleRows(pair.right, found.missing)) samples.push({ kind: 'missing', row });
    if (extra === 0)
      for (const row of await sampleRows(pair.other, found.extra)) samples.push({ kind: 'extra', row });
    missing += found.missing.length;
    extra += found.extra.length;
  }
  return { table: table.name, missing, extra, samples };
}
