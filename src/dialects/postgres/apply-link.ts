/**
 * Applies the one order to a replica. Records go into one transaction together with their commit records, so what is
 * applied and what is recorded can never differ. See DESIGN.md, "Apply".
 */

import { MemberError } from '../contract.ts';
import type { ApplyLink, CommitRecord } from '../contract.ts';
import { ApplyPipeline } from './apply-pipeline.ts';
import { ApplyRecords } from './apply-records.ts';
import type { Manner } from './apply-rows.ts';
import { withWayCleared } from './cleared-way.ts';
import { sqlStates } from './sql-states.ts';
import type { InternalConnection } from './internal-connection.ts';
import { lastLoggedCsn } from './last-logged-csn.ts';
import type { Remarks } from './remarks.ts';

/** A write set above this is applied part by part, so that it never lies in memory whole. */
export const inOneGoBytes = 4 << 20;

/** Where the order of changes is not known, rows may seem to pass through a forbidden state, or not to be there. */
export const inAnotherManner: ReadonlySet<string | undefined> = new Set([
  '23505',
  '23P01',
  sqlStates.diverged,
  // What was prepared is gone: code that ran here has deallocated it.
  '26000',
]);

export interface ApplyLinkParts {
  readonly memberId: string;
  readonly connection: InternalConnection;
  readonly term: number;
  /** Another connection to the member. */
  readonly connect: () => Promise<InternalConnection>;
  readonly isAtWork: () => Promise<boolean>;
  /** Indexes that are being built and are no part of the order. Resolves with how many there were. */
  readonly dropBuilding: () => Promise<number>;
  readonly remarks: Remarks;
}

export class PostgresApplyLink implements ApplyLink {
  readonly #memberId: string;
  readonly #connection: InternalConnection;
  readonly #term: number;
  readonly #remarks: Remarks;
  readonly #connect: () => Promise<InternalConnection>;
  readonly #isAtWork: () => Promise<boolean>;
  readonly #dropBuilding: () => Promise<number>;
  readonly #pipeline: ApplyPipeline;
  readonly #records: ApplyRecords;
  /** When it was asked last whether it is at work, or when it was given it. */
  #heardBytes = 0;

  constructor({ memberId, connection, term, connect, isAtWork, dropBuilding, remarks }: ApplyLinkParts) {
    this.#memberId = memberId;
    this.#dropBuilding = dropBuilding;
    this.#connect = connect;
    this.#isAtWork = isAtWork;
    this.#connection = connection;
    this.#term = term;
    this.#remarks = remarks;
    this.#pipeline = new ApplyPipeline(connection);
    this.#records = new ApplyRecords({ memberId, connection, pipeline: this.#pipeline, remarks });
  }

  async apply(records: readonly CommitRecord[]): Promise<void> {
    const { pid, heardBytes } = this.#connection;
    this.#heardBytes = heardBytes;
    await withWayCleared(this.#applyAll(records), { pid, connect: this.#connect });
  }

  /** Where it is our turn, or something has come since it was asked last, nobody has to ask the server. */
  async atWork(): Promise<boolean> {
    const { heardBytes, serversTurn } = this.#connection;
    const moved = heardBytes !== this.#heardBytes;
    this.#heardBytes = heardBytes;
    return moved || serversTurn === undefined || (await this.#isAtWork());
  }

  async #applyAll(records: readonly CommitRecord[]): Promise<void> {
    for (let rest = records; rest.length > 0; ) rest = rest.slice(await this.#applySome(rest));
  }

  /** How many of the records were applied: in one transaction, all up to the first schema statement. */
  async #applySome(records: readonly CommitRecord[]): Promise<number> {
    try {
      return await this.#applyInSomeManner(records);
    } catch (error) {
      // What is no part of the order may not refuse what is.
      const { lost } = this.#connection;
      if (lost !== undefined || !(error instanceof MemberError) || error.blame === 'fenced') throw error;
      const dropped = await this.#dropBuilding().catch(() => 0);
      if (dropped === 0) throw error;
      return await this.#applyInSomeManner(records);
    }
  }

  async #applyInSomeManner(records: readonly CommitRecord[]): Promise<number> {
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

  schemaChanged(): void {
    this.#pipeline.prepareAnew();
    this.#records.forgetTables();
  }

  close(): void {
    this.#connection.close();
  }

  async #applyOnce(records: readonly CommitRecord[], manner: Manner): Promise<number> {
    this.#pipeline.add('lockstep_begin', 'BEGIN');
    this.#pipeline.add('lockstep_fence', `SELECT lockstep.fence(${this.#term})`);
    const count =
      manner === 'whole' || manner === 'replaced'
        ? await this.#records.whole(records, manner)
        : await this.#records.inParts(records, manner);
    this.#pipeline.add('lockstep_commit', 'COMMIT');
    await this.#pipeline.send();
    this.#remarks.leftOut(this.#memberId, this.#pipeline.takeLeftOut());
    return count;
  }

  /** Prepared names may or may not exist after an error in the middle of a pipeline. */
  async #rollBack(): Promise<void> {
    await this.#connection.query('ROLLBACK; DEALLOCATE ALL');
    this.#pipeline.reset();
    this.#records.forgetTables();
  }
}
