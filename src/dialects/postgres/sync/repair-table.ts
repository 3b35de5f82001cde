/** Makes a table of the target equal to the source's. Only what differs is written, unless most of it does. */

import { LockstepError } from '../../../base/index.ts';
import { quoteLiteral } from '../../../sql/index.ts';
import type { RowKeeper, TableChange } from '../../sync-contract.ts';
import { MemberError } from '../../contract.ts';
import { sqlStates } from '../sql-states.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { readRows } from './copy-rows.ts';
import type { OnCopied } from './copy-rows.ts';
import { demandSameRows } from './demand-same-rows.ts';
import { emptyTable } from './empty-table.ts';
import type { PostgresSnapshot } from './postgres-snapshot.ts';
import type { SyncProgress } from './sync-progress.ts';
import type { Remarks } from '../remarks.ts';
import { keepingCopy, rowsAt } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';
import { compareDigests, compareRows, isOversized, sampleRows } from './table-difference.ts';
import type { DigestDifference, RowDifference, Slice, TablePair } from './table-difference.ts';
import { withTriggersOff } from './triggers-off.ts';
import { writeRows } from './write-rows.ts';

export interface RepairOptions {
  readonly snapshot: PostgresSnapshot;
  readonly source: InternalConnection;
  readonly target: InternalConnection;
  readonly targetId: string;
  readonly remarks: Remarks;
  readonly targetMajor: number;
  readonly term: number;
  readonly keeper: RowKeeper;
  readonly progress: SyncProgress;
  readonly dryRun: boolean;
  readonly sliceRows: number;
}

type Sample = TableChange['samples'][number];

/** Places in one statement. */
const batchRows = 5000;

/** `targetTable`: the same table as the target has it, with its own size and the source's columns. */
export async function repairTable(
  options: RepairOptions,
  table: SyncTable,
  targetTable: SyncTable,
): Promise<TableChange | undefined> {
  const { snapshot, source, progress } = options;
  try {
    await source.query(snapshot.begin);
    await demandUnchanged(source, snapshot, table);
    const repair = new TableRepair(options, table, targetTable);
    const change = await repair.run();
    progress.tableDone(table, repair.rows);
    return change;
  } finally {
    // Its lock on the table goes with it.
    if (source.lost === undefined) await source.query('ROLLBACK').catch(() => undefined);
  }
}

/** What has been rewritten since the snapshot was taken appears empty in it. The lock keeps it as it is from here on. */
export async function demandUnchanged(
  source: InternalConnection,
  snapshot: PostgresSnapshot,
  table: SyncTable,
): Promise<void> {
  const found = await source.rows(
    `SELECT FROM ${table.from} LIMIT 0;
     SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE format('%I.%I', n.nspname, c.relname) = ${quoteLiteral(table.name)}
        AND c.oid = ${quoteLiteral(table.name)}::regclass AND NOT EXISTS (SELECT FROM pg_class p WHERE p.relkind <> 'p'
          AND p.oid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) AND p.relfilenode IS DISTINCT FROM pg_relation_filenode(p.oid))`,
  );
  if (found.length === 1) return;
  throw new LockstepError({
    code: 'sync.table-changed',
    message: `table ${table.name} of member ${snapshot.memberId} was emptied or rewritten since the synchronisation began`,
    hint: 'It begins again by itself.',
    retryable: true,
  });
}

class TableRepair {
  readonly #options: RepairOptions;
  readonly #table: SyncTable;
  readonly #targetTable: SyncTable;
  readonly #pair: TablePair;
  readonly #samples: Sample[] = [];
  #missing = 0;
  #extra = 0;
  rows = 0;

  constructor(options: RepairOptions, table: SyncTable, targetTable: SyncTable) {
    this.#options = options;
    this.#table = table;
    this.#targetTable = targetTable;
    const { progress, snapshot } = options;
    const { pieceBytesMax } = progress;
    this.#pair = {
      right: { connection: options.source, table, major: snapshot.major, pieceBytesMax },
      other: { connection: options.target, table: targetTable, major: options.targetMajor, pieceBytesMax },
      onPiece: {
        right: async ({ rows, bytes }) => await progress.moved(table, rows, bytes),
        other: async ({ bytes }) => await progress.moved(table, 0, bytes),
      },
      sliceRows: options.sliceRows,
    };
  }

  async run(): Promise<TableChange | undefined> {
    const difference = await compareDigests(this.#pair);
    this.rows = difference.rowsRight;
    if (difference.slices.length === 0) return undefined;
    if (this.#options.dryRun) await this.#look(difference);
    else {
      this.#options.progress.enter('repair', this.#table);
      await this.#repair(difference);
      this.#options.progress.enter('compare');
      await demandSameRows(this.#pair, this.#table, {
        source: this.#options.snapshot.memberId,
        target: this.#options.targetId,
      });
    }
    return {
      table: this.#table.name,
      missing: this.#missing,
      extra: this.#extra,
      samples: this.#samples,
    };
  }

  async #look(difference: DigestDifference): Promise<void> {
    for (const slice of difference.slices) {
      if (isOversized(slice, difference)) this.#countWhole(difference);
      else await this.#count(await compareRows(this.#pair, difference, slice));
    }
  }

  /**
   * Rows that only the target has go first, everywhere: a row that is missing may have the key of one that is too many, in
   * another slice. With one slice both are one transaction.
   */
  async #repair(difference: DigestDifference): Promise<void> {
    const { slices } = difference;
    if (
      difference.rowsOther === 0 ||
      difference.rowsRight === 0 ||
      // A place is one of many, in several partitions.
      this.#table.through ||
      slices.some((slice) => isOversized(slice, difference))
    ) {
      await this.#replaceAll(difference);
      return;
    }
    const single = slices.length === 1;
    for (const slice of slices) {
      const mostly = await this.#transact('SHARE ROW EXCLUSIVE', async () => {
        const found = await compareRows(this.#pair, difference, slice);
        // A slice is as good as a sample: its buckets are chosen by hashes.
        if (
          !single &&
          (found.missing.length > found.rowsRight / 2 || found.extra.length > found.rowsOther / 2)
        )
          return true;
        await this.#count(found);
        await this.#remove(found.extra);
        if (single) await this.#add(found.missing);
        return false;
      });
      if (mostly) {
        await this.#replaceAll(difference);
        return;
      }
    }
    if (!single) for (const slice of slices) await this.#addMissing(difference, slice);
  }

  async #addMissing(difference: DigestDifference, slice: Slice): Promise<void> {
    await this.#transact('SHARE ROW EXCLUSIVE', async () => {
      const { missing } = await compareRows(this.#pair, difference, slice);
      await this.#add(missing);
    });
  }

  async #count(found: RowDifference): Promise<void> {
    if (this.#missing === 0) await this.#sample('missing', found.missing);
    if (this.#extra === 0) await this.#sample('extra', found.extra);
    this.#missing += found.missing.length;
    this.#extra += found.extra.length;
  }

  #countWhole(difference: DigestDifference): void {
    this.#missing = difference.rowsRight;
    this.#extra = difference.rowsOther;
  }

  async #sample(kind: Sample['kind'], places: readonly string[]): Promise<void> {
    const side = kind === 'missing' ? this.#pair.right : this.#pair.other;
    for (const row of await sampleRows(side, places)) this.#samples.push({ kind, row });
  }

  async #remove(places: readonly string[]): Promise<void> {
    if (places.length === 0) return;
    const { target } = this.#options;
    for (const batch of batches(places)) await this.#keep(`(${rowsAt(this.#table, batch)})`);
    await this.#options.keeper.flush();
    for (const batch of batches(places)) {
      const { tags } = await target.query(
        `DELETE FROM ${this.#table.from} WHERE ctid = ANY ('{"${batch.join('","')}"}'::tid[])`,
      );
      this.#expect(tags[0], `DELETE ${batch.length}`);
    }
  }

  async #add(places: readonly string[]): Promise<void> {
    for (const batch of batches(places)) {
      const rows = await this.#write(`WHERE ctid = ANY ('{"${batch.join('","')}"}'::tid[])`);
      this.#expect(`COPY ${rows}`, `COPY ${batch.length}`);
    }
  }

  async #replaceAll(difference: DigestDifference): Promise<void> {
    const { keeper } = this.#options;
    await this.#transact('ACCESS EXCLUSIVE', async () => {
      this.#countWhole(difference);
      if (difference.rowsOther > 0) {
        this.#extra = await this.#keep(`(SELECT ${this.#table.columns.join(', ')} FROM ${this.#table.from})`);
        await keeper.flush();
        await emptyTable(this.#options.target, this.#table);
      }
      this.#missing = await this.#write('');
    });
  }

  async #write(where: string): Promise<number> {
    const { source, target, targetId, remarks, progress } = this.#options;
    const table = this.#table;
    const onCopied: OnCopied = (_, bytes) => progress.moved(table, 0, bytes);
    return await writeRows({ source, target, targetId, remarks, table, where, onCopied });
  }

  async #keep(what: string): Promise<number> {
    const { target, keeper } = this.#options;
    const { name, columns } = this.#table;
    return await readRows(target, keepingCopy(target, what), (row) => keeper.keep(name, columns, row));
  }

  /** The lock is against strangers: Lockstep itself has no one else at work here. */
  async #transact<T>(lock: string, work: () => Promise<T>): Promise<T> {
    const { target, term } = this.#options;
    try {
      await target.query(`BEGIN; LOCK TABLE ${this.#targetTable.from} IN ${lock} MODE`);
      const result = await withTriggersOff(target, this.#table, work);
      await target.query(`SELECT lockstep.fence(${term}); COMMIT`);
      return result;
    } catch (error) {
      if (target.lost === undefined) await target.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  #expect(found: string | undefined, wanted: string): void {
    if (found === wanted) return;
    throw new MemberError(
      this.#options.targetId,
      'diverged',
      `rows of table ${this.#table.name} of member ${this.#options.targetId} were to change, and did not: ${found} instead of ${wanted}`,
      sqlStates.diverged,
    );
  }
}

function* batches(places: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < places.length; at += batchRows) yield places.slice(at, at + batchRows);
}
