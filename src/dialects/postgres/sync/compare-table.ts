/** One table of all members: who holds the same rows, and in which rows the others differ from those who are right. */

import { LockstepError } from '../../../base/index.ts';
import { MemberError } from '../../contract.ts';
import type { ComparedTable, CompareRequest, TableDifference } from '../../sync-contract.ts';
import type { Crew } from './crew.ts';
import { grouped } from './grouped.ts';
import type { Party } from './party.ts';
import { demandUnchanged } from './repair-table.ts';
import { differingBuckets } from './row-digests.ts';
import type { BucketDigests, OnPiece, TableSide } from './row-digests.ts';
import { pairRows } from './row-pairs.ts';
import type { SyncProgress } from './sync-progress.ts';
import type { SyncTable } from './sync-table.ts';
import { compareRows, differenceOf, isOversized, readSideDigests, sampleRows } from './table-difference.ts';
import type { TablePair } from './table-difference.ts';

/** Corrupted data, a corrupted index, an error of the disk. */
const damaged = new Set(['XX001', 'XX002', '58030']);

/** Each slice of differing rows costs a scan: beyond these they are not counted. */
const slicesMax = 4;

export interface CompareTableOptions {
  readonly request: CompareRequest;
  readonly progress: SyncProgress;
  readonly sliceRows: number;
}

interface Entrant {
  readonly party: Party;
  readonly table: SyncTable;
}

interface Read extends Entrant {
  readonly side: TableSide;
  readonly onPiece: OnPiece;
  readonly digests: BucketDigests;
}

export async function compareTable(
  crew: Crew,
  parties: readonly Party[],
  name: string,
  options: CompareTableOptions,
): Promise<ComparedTable> {
  const entrants = comparable(parties, name, options.request);
  const ids = entrants.map(({ party }) => party.id);
  const unseen = { table: name, rows: 0, members: ids, differences: new Map(), certain: false };
  try {
    const found = await inTransactions(entrants, options.progress, (sides) =>
      compareSides(sides, name, options),
    );
    const certain = found.differences.size > 0 && (await allAsBefore(entrants));
    return { ...unseen, ...found, certain, failure: undefined };
  } catch (error) {
    crew.signal.throwIfAborted();
    if (error instanceof MemberError && damaged.has(error.sqlState ?? ''))
      throw new MemberError(error.memberId, 'diverged', `table ${name} cannot be read: ${error.message}`);
    if (!isPassing(error)) throw error;
    return { ...unseen, failure: error.message };
  }
}

/** Those who have it with the same columns. For the others that is among the differences of the schema already. */
function comparable(parties: readonly Party[], name: string, request: CompareRequest): readonly Entrant[] {
  const having = parties.flatMap((party) => {
    const table = party.tables.get(name);
    return table === undefined ? [] : [{ party, table }];
  });
  const columnsOf = ({ table }: Entrant): string => [...table.stored].sort().join();
  const groups = grouped(having, (one, other) => columnsOf(one) === columnsOf(other));
  const ids = request.right(
    groups.map((group) => group.map(({ party }) => party.id)),
    name,
  );
  const right = having.filter(({ party }) => ids.includes(party.id));
  const { columns = [], stored = [] } = right[0]?.table ?? {};
  return right.map(({ party, table }) => ({ party, table: { ...table, columns, stored } }));
}

/** Whoever fails stops the others: nobody waits for them. */
async function inTransactions<T>(
  entrants: readonly Entrant[],
  { pieceBytesMax }: SyncProgress,
  work: (sides: readonly (Entrant & { readonly side: TableSide })[]) => Promise<T>,
): Promise<T> {
  const entering = entrants.map(async ({ party, table }) => {
    const connection = await party.connection();
    await connection.query(party.snapshot.begin);
    await demandUnchanged(connection, party.snapshot, table);
    return { party, table, side: { connection, table, major: party.snapshot.major, pieceBytesMax } };
  });
  const giveUp = (): Promise<unknown> => Promise.all(entrants.map(({ party }) => party.giveUp()));
  try {
    const sides = await Promise.all(entering);
    const result = await work(sides);
    await Promise.all(sides.map(({ side }) => side.connection.query('ROLLBACK')));
    return result;
  } catch (error) {
    await giveUp();
    // Who was still connecting is given up when he has.
    await Promise.allSettled(entering);
    await giveUp();
    throw error;
  }
}

async function compareSides(
  sides: readonly (Entrant & { readonly side: TableSide })[],
  name: string,
  { request, progress, sliceRows }: CompareTableOptions,
): Promise<Pick<ComparedTable, 'rows' | 'differences'>> {
  const estimate = Math.max(...sides.map(({ table }) => table.rowsEstimate));
  let read = 0;
  let told = 0;
  const all: Read[] = [];
  // One after the other: at once they would take what they can get of all members, and whoever writes waits for each of them.
  for (const { party, table, side } of sides) {
    const onPiece: OnPiece = async ({ rows, bytes }) => {
      read += rows;
      const due = Math.floor(read / sides.length) - told;
      told += due;
      await progress.moved(table, due, bytes);
    };
    all.push({ party, table, side, onPiece, digests: await readSideDigests(side, estimate, onPiece) });
  }
  const groups = grouped(all, (one, other) => differingBuckets(one.digests, other.digests).length === 0);
  const ids = request.right(
    groups.map((group) => group.map(({ party }) => party.id)),
    name,
  );
  const right = all.find(({ party }) => party.id === ids[0]);
  const differences = new Map<string, TableDifference>();
  if (right === undefined) return { rows: 0, differences };
  for (const other of all) {
    if (ids.includes(other.party.id)) continue;
    const pair: TablePair = {
      right: right.side,
      other: other.side,
      onPiece: { right: right.onPiece, other: other.onPiece },
      sliceRows,
    };
    const difference = differenceOf(right.digests, other.digests, sliceRows);
    differences.set(other.party.id, await describe(pair, name, difference));
  }
  const rows = rowsOf(right);
  progress.tableDone((sides[0] ?? right).table, rows, told);
  return { rows, differences };
}

/** The text of a value follows from definitions, which are read as they are now, and not as of the snapshot. */
async function allAsBefore(entrants: readonly Entrant[]): Promise<boolean> {
  const same = await Promise.all(
    entrants.map(async ({ party }) => {
      const before = await party.snapshot.use((connection) => connection.rows(definitionsDigest));
      const now = await (await party.connection()).rows(definitionsDigest);
      return before[0]?.[0] === now[0]?.[0];
    }),
  );
  return same.every(Boolean);
}

/** In pg_class much changes that is of no matter. */
const definitionsDigest = `SELECT (SELECT sum(hashtextextended(concat_ws(' ', oid, relname, relnamespace), 0)) FROM pg_class)::text
  ${['pg_attribute', 'pg_type', 'pg_enum', 'pg_proc', 'pg_namespace']
    .map(
      (catalog) =>
        `|| ' ' || (SELECT coalesce(sum(hashtextextended(concat_ws(' ', xmin, ctid), 0)), 0) FROM ${catalog})::text`,
    )
    .join('\n  ')}`;

function rowsOf({ digests }: Read): number {
  return digests.rows.reduce((sum, count) => sum + count, 0);
}

async function describe(
  pair: TablePair,
  table: string,
  difference: ReturnType<typeof differenceOf>,
): Promise<TableDifference> {
  let missing = 0;
  let extra = 0;
  let pairs: TableDifference['pairs'] = [];
  const samples: TableDifference['samples'][number][] = [];
  const wanted = difference.slices.filter((slice) => !isOversized(slice, difference)).slice(0, slicesMax);
  for (const slice of wanted) {
    const found = await compareRows(pair, difference, slice);
    if (missing === 0)
      for (const row of await sampleRows(pair.right, found.missing)) samples.push({ kind: 'missing', row });
    if (extra === 0)
      for (const row of await sampleRows(pair.other, found.extra)) samples.push({ kind: 'extra', row });
    if (pairs.length === 0) pairs = await pairRows(pair, found);
    missing += found.missing.length;
    extra += found.extra.length;
  }
  return { table, missing, extra, samples, pairs, atLeast: wanted.length < difference.slices.length };
}

/** Something of the table was changed since the snapshot, or locked, or may not be read: the others can be compared. */
function isPassing(error: unknown): error is Error {
  if (error instanceof MemberError) return error.blame === 'client' || error.blame === 'retry';
  return error instanceof LockstepError && error.code === 'sync.table-changed';
}
