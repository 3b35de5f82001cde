/** Turns records into what is sent to a replica, inside a transaction that somebody else begins and ends. */

import type { CommitRecord, WriteSet } from '../contract.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { ApplyRows } from './apply-rows.ts';
import type { Manner } from './apply-rows.ts';
import { ApplySchema } from './apply-schema.ts';
import { binaryArray } from './binary-array.ts';
import type { InternalConnection } from './internal-connection.ts';
import type { Remarks } from './remarks.ts';
import { ReplicaTables } from './replica-tables.ts';
import { isExact, positionOf, SequencePositions } from './sequence-positions.ts';
import { ChangeStream, isLarge } from './write-set.ts';
import type { Change, Piece } from './write-set.ts';

interface LogEntry {
  readonly record: CommitRecord;
  readonly part: number;
  readonly payload: Buffer | null;
}

/** What goes along while a record's changes are turned into work. */
interface Way {
  readonly record: CommitRecord;
  readonly rows: ApplyRows;
  readonly sequences: SequencePositions;
}

export interface ApplyRecordsParts {
  readonly memberId: string;
  readonly connection: InternalConnection;
  readonly pipeline: ApplyPipeline;
  readonly remarks: Remarks;
}

export class ApplyRecords {
  readonly #connection: InternalConnection;
  readonly #pipeline: ApplyPipeline;
  readonly #tables: ReplicaTables;
  readonly #schema: ApplySchema;
  #statementCount = 0;
  #attachedCount = 0;
  /** What the next statement must have made. */
  #effect: Buffer | undefined;

  constructor({ memberId, connection, pipeline, remarks }: ApplyRecordsParts) {
    this.#connection = connection;
    this.#pipeline = pipeline;
    this.#tables = new ReplicaTables(memberId, pipeline, remarks);
    this.#schema = new ApplySchema(pipeline);
  }

  /** Definitions may have changed. */
  forgetTables(): void {
    this.#tables.reset();
  }

  /** How many of the records it was: all up to the first schema statement. */
  async whole(records: readonly CommitRecord[], manner: Manner): Promise<number> {
    this.#effect = undefined;
    const rows = new ApplyRows(this.#pipeline, this.#tables, manner);
    const sequences = new SequencePositions();
    const logged: LogEntry[] = [];
    let count = 0;
    for (const record of records) {
      if (this.#connection.lost !== undefined) throw this.#connection.lost;
      count += 1;
      const statements = this.#statementCount;
      if (record.writeSet === null) logged.push({ record, part: 1, payload: null });
      else {
        let part = 0;
        const changes = new ChangeStream();
        const way = { record, rows, sequences };
        const surrounded = rows.surround(null);
        if (surrounded !== undefined) await surrounded;
        const parts = record.writeSet.parts();
        const take = (payload: Buffer): Promise<void> | undefined => {
          logged.push({ record, part: ++part, payload });
          return this.#take(changes.push(payload), way);
        };
        if (Symbol.asyncIterator in parts) for await (const payload of parts) await take(payload);
        else
          for (const payload of parts) {
            const taken = take(payload);
            if (taken !== undefined) await taken;
          }
        changes.end();
      }
      // What a statement has made may be of use only when it is committed, as the values added to an enum.
      if (this.#statementCount > statements) break;
    }
    await rows.settle();
    this.#addSequences(sequences);
    this.#attach();
    this.#addLog(logged);
    return count;
  }

  /** What has no place in the order yet, and no row too large to be held: it is logged when it has. */
  async unlogged(writeSet: WriteSet, manner: Manner): Promise<void> {
    this.#effect = undefined;
    const record: CommitRecord = { csn: 0, term: 0, slot: 0, writeSet };
    const rows = new ApplyRows(this.#pipeline, this.#tables, manner);
    const sequences = new SequencePositions();
    const changes = new ChangeStream();
    for await (const payload of writeSet.parts())
      await this.#take(changes.push(payload), { record, rows, sequences });
    changes.end();
    await rows.settle();
    this.#addSequences(sequences);
    this.#attach();
    await this.#pipeline.send();
  }

  /** Behind all statements. */
  #attach(): void {
    if (this.#statementCount === this.#attachedCount) return;
    this.#attachedCount = this.#statementCount;
    this.#schema.attach();
  }

  async log(record: CommitRecord): Promise<void> {
    const logged: LogEntry[] = [];
    for await (const payload of record.writeSet?.parts() ?? [null])
      logged.push({ record, part: logged.length + 1, payload });
    this.#addLog(logged);
  }

  /** The same, with each part logged and sent by itself. */
  async inParts(records: readonly CommitRecord[], manner: Manner): Promise<number> {
    this.#effect = undefined;
    let count = 0;
    for (const record of records) {
      if (this.#connection.lost !== undefined) throw this.#connection.lost;
      count += 1;
      const statements = this.#statementCount;
      const rows = new ApplyRows(this.#pipeline, this.#tables, manner);
      let part = 0;
      const changes = new ChangeStream();
      for await (const payload of record.writeSet?.parts() ?? [null]) {
        // Logged first: a row too large to be held is then taken from the log.
        this.#addLog([{ record, part: ++part, payload }]);
        if (payload !== null) {
          const sequences = new SequencePositions();
          await this.#take(changes.push(payload), { record, rows, sequences });
          await rows.partDone();
          this.#addSequences(sequences);
        }
        await this.#pipeline.send();
      }
      changes.end();
      await rows.settle();
      this.#attach();
      if (this.#statementCount > statements) break;
    }
    return count;
  }

  /** Whatever is not a row waits until the rows before it are written, and those behind it wait for it. */
  #take(changes: readonly Piece[], way: Way): Promise<void> | undefined {
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as Piece;
      if (change.op !== 'B' && !isRow(change)) return this.#takeRest(changes, i, way);
      const added = change.op === 'B' ? way.rows.addBlock(change) : way.rows.add(change);
      if (added !== undefined) return added.then(() => this.#takeRest(changes, i + 1, way));
    }
    return undefined;
  }

  async #takeRest(changes: readonly Piece[], from: number, { record, rows, sequences }: Way): Promise<void> {
    const lastStatement = changes.findLastIndex(isStatement);
    for (let i = from; i < changes.length; i++) {
      const change = changes[i] as Piece;
      if (isLarge(change)) {
        await rows.addLarge(change, record);
        continue;
      }
      if (change.op === 'B') {
        await rows.addBlock(change);
        continue;
      }
      if (isRow(change)) {
        await rows.add(change);
        continue;
      }
      if (change.op === 'C') {
        await rows.surround(change.new);
        continue;
      }
      if (change.op === 'N') {
        await this.#schema.numbers(change);
        continue;
      }
      if (change.op === 'X') {
        this.#effect = change.new ?? undefined;
        continue;
      }
      if (change.op === 'Q') {
        sequences.add(change);
        continue;
      }
      if (change.op === 'E') await rows.forget(change);
      await rows.settle();
      this.#addSequences(sequences);
      sequences.clear();
      if (change.op === 'T') {
        await this.#pipeline.send();
        const tables: Change[] = [];
        while (changes[i]?.op === 'T') tables.push(changes[i++] as Change);
        i -= 1;
        await this.#schema.truncate(tables);
      } else if (change.op === 'E') {
        await this.#schema.empty(change);
      } else {
        this.#statementCount += 1;
        const effect = this.#effect;
        this.#effect = undefined;
        const isLast = i === lastStatement;
        await this.#schema.statement(change, { isLast });
        if (isLast) this.#attachedCount = this.#statementCount;
        if (effect !== undefined) await this.#schema.demandEffect(effect);
        this.#tables.reset();
      }
    }
  }

  #addSequences(sequences: SequencePositions): void {
    for (const change of sequences.changes()) {
      const { value, called } = positionOf(change);
      this.#pipeline.add(
        'lockstep_sequence',
        'SELECT lockstep.advance_sequence($1, $2, $3::text::bigint, $4::text::bool, $5::text::bool)',
        [
          change.schema,
          change.table,
          Buffer.from(value),
          Buffer.from(called),
          Buffer.from(isExact(change) ? 't' : 'f'),
        ],
        0,
      );
    }
  }

  #addLog(logged: readonly LogEntry[]): void {
    if (logged.length === 0) return;
    const records = logged.map(({ record }) => record);
    this.#pipeline.add(
      'lockstep_log',
      'INSERT INTO lockstep.log (slot, csn, part, term, payload) SELECT * FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[], $5::bytea[])',
      [
        binaryArray(
          'int2',
          records.map(({ slot }) => slot),
        ),
        binaryArray(
          'int8',
          records.map(({ csn }) => csn),
        ),
        binaryArray(
          'int4',
          logged.map(({ part }) => part),
        ),
        binaryArray(
          'int8',
          records.map(({ term }) => term),
        ),
        binaryArray(
          'bytea',
          logged.map(({ payload }) => payload),
        ),
      ],
    );
  }
}

function isStatement(piece: Piece): boolean {
  return piece.op === 'S';
}

function isRow(piece: Piece): piece is Change & { readonly op: 'I' | 'U' | 'D' } {
  return (piece.op === 'I' || piece.op === 'U' || piece.op === 'D') && !isLarge(piece);
}
