/** Turns the row changes of write sets into statements for a replica. Rows that changed several times are written once. */

import type { CommitRecord } from '../contract.ts';
import { counted } from './apply-pipeline.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { binaryArray } from './binary-array.ts';
import { quoteLiteral } from '../../sql/index.ts';
import { markedArguments, markedValues, writeMarked } from './marked-writing.ts';
import { NetEffect } from './net-effect.ts';
import { nameOf } from './replica-tables.ts';
import type { ReplicaTable, ReplicaTables } from './replica-tables.ts';
import { RowPlan, tableKey } from './row-plan.ts';
import type { RowChange, TableBytes } from './row-plan.ts';
import { csvLines } from './csv-lines.ts';
import { changesOf } from './write-set.ts';
import type { Change, LargeChange, RowBlock } from './write-set.ts';

/**
 * How rows are applied. Each has another to fall back on, which takes longer.
 *
 *   whole      all changes in memory, updates as updates                              → replaced
 *   replaced   all changes in memory, updates as deletes followed by inserts
 *   in parts   each part by itself, and what came in large blocks is copied; a row is changed only while it is as it was when it was changed on the primary, so that a
 *              change which overtook another, in a later part, is noticed                → net
 *   net        all changes in a temporary table of the replica, which knows what remains of them
 */
export type Manner = 'whole' | 'replaced' | 'in parts' | 'net';

type Kind = 'removed' | 'updated' | 'inserted';
const inOrder: readonly Kind[] = ['removed', 'updated', 'inserted'];

/** Rows that were written under the same settings. */
interface Group {
  readonly under: Buffer | null;
  readonly changes: readonly RowChange[];
}

interface Way {
  readonly statement: string;
  readonly sql: string;
  readonly under: Buffer | null;
}

/** Fewer rows than that are not worth a COPY. */
const copiedRowsMin = 16;

export class ApplyRows {
  readonly #pipeline: ApplyPipeline;
  readonly #tables: ReplicaTables;
  readonly #manner: Manner;
  readonly #net: NetEffect;
  #plan = new RowPlan();
  /** Rows that come before the plan's changes of the same table. */
  #blocks = new Map<string, RowBlock[]>();
  /** What was in force where the rows were written that come next: JSON; null where nothing was said of it. */
  #surroundings: Buffer | null = null;

  constructor(pipeline: ApplyPipeline, tables: ReplicaTables, manner: Manner) {
    this.#pipeline = pipeline;
    this.#tables = tables;
    this.#manner = manner;
    this.#net = new NetEffect(pipeline);
  }

  /** Undefined: there is nothing to wait for. */
  add(change: Change): Promise<void> | undefined {
    if (this.#blocks.size > 0 && this.#blocks.has(tableKey(change))) return this.#addBehindBlocks(change);
    this.#plan.add(change, this.#surroundings);
    return undefined;
  }

  async #addBehindBlocks(change: Change): Promise<void> {
    await this.#copyBlocks();
    this.#plan.add(change, this.#surroundings);
  }

  /** For the rows behind it. Null: nothing is known. Undefined: there is nothing to wait for. */
  surround(settings: Buffer | null): Promise<void> | undefined {
    const before = this.#surroundings;
    const same = settings === null || before === null ? settings === before : settings.equals(before);
    return same ? undefined : this.#surroundAnew(settings);
  }

  async #surroundAnew(settings: Buffer | null): Promise<void> {
    // Changes may overtake each other under other settings, too: they stay together, and each keeps its own.
    await this.#copyBlocks();
    this.#surroundings = settings === null ? null : Buffer.from(settings);
  }

  /** Undefined: there is nothing to wait for. */
  addBlock(block: RowBlock): Promise<void> | undefined {
    if (this.#manner === 'in parts' && block.rows >= copiedRowsMin) return this.#copyLater(block);
    for (const change of changesOf(block)) this.#plan.add(change, this.#surroundings);
    return undefined;
  }

  async #copyLater(block: RowBlock): Promise<void> {
    if (this.#plan.has(block)) await this.#emptyPlan();
    const key = tableKey(block);
    const before = this.#blocks.get(key);
    if (before === undefined) this.#blocks.set(key, [block]);
    else before.push(block);
  }

  /** The table is about to be emptied. What a statement wrote there itself, on this member too, is not written again. */
  async forget(table: TableBytes): Promise<void> {
    this.#plan.forget(table);
    this.#blocks.delete(tableKey(table));
    if (this.#manner === 'net') await this.#net.forget(await this.#tables.of(nameOf(table)));
  }

  /** One row, whose images the member reads from its own log. */
  async addLarge(change: LargeChange, record: CommitRecord): Promise<void> {
    await this.#emptyPlan();
    const table = await this.#tables.of(nameOf(change));
    const images = change.images.map(
      ({ from, to }) => `lockstep.logged_image(${record.slot}::int2, ${record.csn}, ${from}, ${to})`,
    );
    const [first = '', second = ''] = images;
    const old = change.op === 'I' ? undefined : first;
    const next = change.op === 'I' ? first : change.op === 'U' ? second : undefined;
    if (this.#staged(table, old !== undefined)) {
      const under = this.#surroundings;
      if (old !== undefined) await this.#net.addImage(table, old, { rows: -1, under });
      if (next !== undefined) await this.#net.addImage(table, next, { rows: 1, under });
      return;
    }
    const run = async (sql: string, ...values: readonly string[]): Promise<void> => {
      if (table.marked !== undefined) {
        const [one, other = 'NULL'] = values.map((value) => `ARRAY[${value}]`);
        const rest = markedArguments(table.marked, this.#surroundings);
        await this.#pipeline.run(
          `SELECT lockstep.write_marked(${quoteLiteral(sql)}, ${one}, ${other}, 1, ${quoteLiteral(table.shown)}, ${rest}, ${this.#last})::text`,
        );
        return;
      }
      const query = values.reduce(
        (done, value, i) => done.replaceAll(`$${i + 1}::pg_catalog.text[]`, () => `ARRAY[${value}]`),
        sql,
      );
      await this.#pipeline.run(counted(query, { table: table.shown, rows: '1' }));
    };
    const { insert, exact } = table.statements();
    if (old !== undefined && next !== undefined && exact.update !== undefined) {
      await run(exact.update, old, next);
      return;
    }
    if (old !== undefined) await run(exact.remove, old);
    if (next !== undefined) await run(insert, next);
  }

  /** Nothing of this part is needed in memory any more. */
  async partDone(): Promise<void> {
    if (this.#manner === 'in parts' || this.#manner === 'net') await this.#emptyPlan();
  }

  /** All that was added has its statements: what comes next may be something else than rows. */
  async settle(): Promise<void> {
    await this.#emptyPlan();
    await this.#net.settle();
  }

  async #emptyPlan(): Promise<void> {
    if (this.#blocks.size > 0) await this.#copyBlocks();
    const plan = this.#plan;
    if (plan.empty) return;
    this.#plan = new RowPlan();
    const through: { readonly table: ReplicaTable; readonly changes: readonly RowChange[] }[] = [];
    for (const { changes, ...name } of plan.tables()) {
      const table = this.#tables.known(name) ?? (await this.#tables.of(name));
      if (table.through) through.push({ table, changes });
      else this.#write(table, changes);
    }
    // A row that went from one partition to another may stay where it is here: it goes before it comes.
    for (const kind of inOrder) for (const { table, changes } of through) this.#write(table, changes, [kind]);
  }

  async #copyBlocks(): Promise<void> {
    const tables = [...this.#blocks.values()];
    this.#blocks.clear();
    for (const blocks of tables) {
      const [first] = blocks;
      if (first === undefined) continue;
      const table = await this.#tables.of(nameOf(first));
      const { copy } = table.statements();
      if (copy === undefined) {
        const under = this.#surroundings;
        const changes = blocks.flatMap(changesOf).map((change) => ({ old: null, new: change.new, under }));
        this.#write(table, changes);
        continue;
      }
      const data = csvLines(Buffer.concat(blocks.map(({ images }) => images)));
      const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
      this.#pipeline.addCopy(`lockstep_c${table.number}`, copy, { data, rows });
    }
  }

  /** No other manner is left. */
  get #last(): boolean {
    return this.#manner === 'replaced' || this.#manner === 'net';
  }

  /** Rows without a key are found by going through the whole table: once, not for each part. */
  #staged(table: ReplicaTable, removes: boolean): boolean {
    return this.#manner === 'net' || (this.#manner === 'in parts' && removes && !table.keyed);
  }

  #write(table: ReplicaTable, changes: readonly RowChange[], kinds: readonly Kind[] = inOrder): void {
    const groups = table.marked === undefined ? [{ under: null, changes }] : bySettings(changes);
    const [only] = groups;
    if (groups.length === 1 && only !== undefined) return this.#writeUnder(table, only, kinds);
    for (const kind of kinds) for (const group of groups) this.#writeUnder(table, group, [kind]);
  }

  #writeUnder(table: ReplicaTable, { under, changes }: Group, kinds: readonly Kind[]): void {
    const statements = table.statements();
    const inParts = this.#manner === 'in parts';
    const { update, remove } = inParts ? statements.exact : statements;
    const split = this.#manner === 'replaced' || update === undefined;
    const removed: RowChange[] = [];
    const updated: RowChange[] = [];
    const inserted: RowChange[] = [];
    for (const change of changes) {
      if (change.old && change.new && !split) updated.push(change);
      else {
        if (change.old) removed.push(change);
        if (change.new) inserted.push(change);
      }
    }
    if (this.#staged(table, removed.length > 0)) {
      if (kinds.includes('removed')) this.#net.add(table, changes, under);
      return;
    }
    const parts = inParts ? 'x' : '';
    if (removed.length > 0 && kinds.includes('removed')) {
      const way = { statement: `lockstep_d${parts}${table.number}`, sql: remove, under };
      this.#add(table, way, removed.length, imagesOf(removed, 'old'));
    }
    if (updated.length > 0 && kinds.includes('updated')) {
      const way = { statement: `lockstep_u${parts}${table.number}`, sql: update ?? '', under };
      this.#add(table, way, updated.length, imagesOf(updated, 'old'), imagesOf(updated, 'new'));
    }
    if (inserted.length > 0 && kinds.includes('inserted')) {
      const way = { statement: `lockstep_i${table.number}`, sql: statements.insert, under };
      this.#add(table, way, inserted.length, imagesOf(inserted, 'new'));
    }
  }

  #add(
    table: ReplicaTable,
    { statement, sql, under }: Way,
    count: number,
    ...values: readonly Buffer[]
  ): void {
    if (table.marked !== undefined) {
      const [first = null, second = null] = values;
      this.#pipeline.add('lockstep_marked', writeMarked, [
        Buffer.from(sql, 'latin1'),
        first,
        second,
        Buffer.from(String(count)),
        Buffer.from(table.shown, 'latin1'),
        ...markedValues(table.marked, { surroundings: under, last: this.#last }),
      ]);
      return;
    }
    const rows = Buffer.alloc(8);
    rows.writeBigInt64BE(BigInt(count));
    const text = (): string => counted(sql, { table: table.shown, rows: `$${values.length + 1}::int8` });
    this.#pipeline.add(statement, text, [...values, rows]);
  }
}

function imagesOf(changes: readonly RowChange[], which: 'old' | 'new'): Buffer {
  return binaryArray(
    'text',
    changes.map((change) => change[which]),
  );
}

function bySettings(changes: readonly RowChange[]): readonly Group[] {
  const groups = new Map<string, { under: Buffer | null; changes: RowChange[] }>();
  for (const change of changes) {
    const key = change.under?.toString('latin1') ?? '';
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { under: change.under, changes: [change] });
    else group.changes.push(change);
  }
  return [...groups.values()];
}
