/**
 * Applies the one order to a replica. Records go into one transaction together with their commit records, so what is
 * applied and what is recorded can never differ. See DESIGN.md, "Apply".
 */

import { MemberError } from '../contract.ts';
import type { ApplyLink, CommitRecord } from '../contract.ts';
import { ApplyPipeline } from './apply-pipeline.ts';
import { ApplyRows } from './apply-rows.ts';
import type { Manner } from './apply-rows.ts';
import { ApplySchema } from './apply-schema.ts';
import { binaryArray } from './binary-array.ts';
import { sqlStates } from './sql-states.ts';
import type { InternalConnection } from './internal-connection.ts';
import { lastLoggedCsn } from './last-logged-csn.ts';
import type { Remarks } from './remarks.ts';
import { ReplicaTables } from './replica-tables.ts';
import { isExact, positionOf, SequencePositions } from './sequence-positions.ts';
import { ChangeStream, isLarge } from './write-set.ts';
import type { Change, Piece } from './write-set.ts';

/** A write set above this is applied part by part, so that it never lies in memory whole. */
const inOneGoBytes = 4 << 20;

/** Where the order of changes is not known, rows may seem to pass through a forbidden state, or not to be there. */
const inAnotherManner: ReadonlySet<string | undefined> = new Set([
  '23505',
  '23P01',
  sqlStates.diverged,
  // What was prepared is gone: code that ran here has deallocated it.
  '26000',
]);

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

export interface ApplyLinkParts {
  readonly memberId: string;
  readonly connection: InternalConnection;
  readonly term: number;
  /** Ends the sessions that hold up this connection. */
  readonly clearWay: () => Promise<unknown>;
  readonly remarks: Remarks;
}

export class PostgresApplyLink implements ApplyLink {
  readonly #memberId: string;
  readonly #connection: InternalConnection;
  readonly #term: number;
  readonly #remarks: Remarks;
  readonly #pipeline: ApplyPipeline;
  readonly #tables: ReplicaTables;
  readonly #schema: ApplySchema;
  #statementCount = 0;

  constructor({ memberId, connection, term, clearWay, remarks }: ApplyLinkParts) {
    this.#memberId = memberId;
    this.#connection = connection;
    this.#term = term;
    this.#remarks = remarks;
    this.#pipeline = new ApplyPipeline(connection);
    this.#tables = new ReplicaTables(memberId, this.#pipeline, remarks);
    this.#schema = new ApplySchema(connection, this.#pipeline, clearWay);
  }

  async apply(records: readonly CommitRecord[]): Promise<void> {
    for (let rest = records; rest.length > 0; ) rest = rest.slice(await this.#applySome(rest));
  }

  /** How many of the records were applied: in one transaction, all up to the first schema statement. */
  async #applySome(records: readonly CommitRecord[]): Promise<number> {
    const bytes = records.reduce((sum, record) => sum + (record.writeSet?.bytes ?? 0), 0);
    const inParts = bytes > inOneGoBytes;
    try {
      return await this.#applyOnce(records, inParts ? 'in parts' : 'whole');
    } catch (error) {
      if (!(error instanceof MemberError) || this.#connection.lost) throw error;
      await this.#rollBack();
      if (error.blame === 'fenced') throw await this.#believed(error);
      if (!inAnotherManner.has(error.sqlState)) throw error;
      this.#pipeline.prepares = false;
      try {
        return await this.#applyOnce(records, inParts ? 'net' : 'replaced');
      } catch (again) {
        if (this.#connection.lost !== undefined || !(again instanceof MemberError)) throw again;
        await this.#rollBack();
        throw again.blame === 'fenced' ? await this.#believed(again) : again;
      } finally {
        this.#pipeline.prepares = true;
      }
    }
  }

  /** That the term is over is what the member says, and not what code says that a client wrote and that ran here. */
  async #believed(error: MemberError): Promise<MemberError> {
    const [[term] = []] = await this.#connection.rows('SELECT last_value FROM lockstep.term');
    return Number(term) > this.#term
      ? error
      : new MemberError(error.memberId, 'client', error.message, error.sqlState);
  }

  async lastCsn(): Promise<number> {
    const rows = await this.#connection.rows(
      `SELECT greatest((${lastLoggedCsn}), (SELECT base_csn FROM lockstep.member))`,
    );
    return Number(rows[0]?.[0] ?? 0);
  }

  close(): void {
    this.#connection.close();
  }

  async #applyOnce(records: readonly CommitRecord[], manner: Manner): Promise<number> {
    this.#pipeline.add('lockstep_begin', 'BEGIN');
    this.#pipeline.add('lockstep_fence', `SELECT lockstep.fence(${this.#term})`);
    const count =
      manner === 'whole' || manner === 'replaced'
        ? await this.#applyWhole(records, manner)
        : await this.#applyInParts(records, manner);
    this.#pipeline.add('lockstep_commit', 'COMMIT');
    await this.#pipeline.send();
    this.#remarks.leftOut(this.#memberId, this.#pipeline.takeLeftOut());
    return count;
  }

  async #applyWhole(records: readonly CommitRecord[], manner: Manner): Promise<number> {
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
        await rows.surround(null);
        for await (const payload of record.writeSet.parts()) {
          logged.push({ record, part: ++part, payload });
          await this.#take(changes.push(payload), { record, rows, sequences });
        }
        changes.end();
      }
      // What a statement has made may be of use only when it is committed, as the values added to an enum.
      if (this.#statementCount > statements) break;
    }
    await rows.settle();
    this.#addSequences(sequences);
    this.#addLog(logged);
    return count;
  }

  async #applyInParts(records: readonly CommitRecord[], manner: Manner): Promise<number> {
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
      if (this.#statementCount > statements) break;
    }
    return count;
  }

  /** Whatever is not a row waits until the rows before it are written, and those behind it wait for it. */
  async #take(changes: readonly Piece[], { record, rows, sequences }: Way): Promise<void> {
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as Piece;
      if (isLarge(change)) {
        await rows.addLarge(change, record);
        continue;
      }
      if (change.op === 'B') {
        await rows.addBlock(change);
        continue;
      }
      if (change.op === 'I' || change.op === 'U' || change.op === 'D') {
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
      if (change.op === 'Q') {
        sequences.add(change);
        continue;
      }
      if (change.op === 'E') await rows.forget(change);
      await rows.settle();
      this.#addSequences(sequences);
      sequences.clear();
      await this.#pipeline.send();
      if (change.op === 'T') {
        const tables: Change[] = [];
        while (changes[i]?.op === 'T') tables.push(changes[i++] as Change);
        i -= 1;
        await this.#schema.truncate(tables);
      } else if (change.op === 'E') {
        await this.#schema.empty(change);
      } else {
        this.#statementCount += 1;
        await this.#schema.statement(change);
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

  /** Prepared names may or may not exist after an error in the middle of a pipeline. */
  async #rollBack(): Promise<void> {
    await this.#connection.query('ROLLBACK; DEALLOCATE ALL');
    this.#pipeline.reset();
    this.#tables.reset();
  }
}
