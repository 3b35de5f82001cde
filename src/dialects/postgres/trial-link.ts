/**
 * Carries out on a replica what is going to be a record, before the primary commits it, and keeps the transaction open. See
 * DESIGN.md, "Trial".
 */

import { messageOf } from '../../base/index.ts';
import { MemberError } from '../contract.ts';
import type { CommitRecord, TrialAnswer, TrialLink, WriteSet } from '../contract.ts';
import { inAnotherManner, inOneGoBytes } from './apply-link.ts';
import { ApplyPipeline } from './apply-pipeline.ts';
import { ApplyRecords } from './apply-records.ts';
import type { Manner } from './apply-rows.ts';
import type { InternalConnection } from './internal-connection.ts';
import type { Remarks } from './remarks.ts';

/** A reader of this replica holds up nobody's schema statement: then it is not tried. */
const lockTimeoutMs = 100;

/** A file that the server has not got: a library, or the script of an extension. */
const undefinedFile = '58P01';
const internalError = 'XX000';

/** What is kept equal on all members is another thing here: definitions, rows. Not what lies outside of the database. */
const ofContents =
  /^(?:21|22|23|27|2B|42P01|42P06|42P07|42701|42703|42710|42712|42723|42725|42804|42809|42830|42883|42P16|42P17|3F000|55000|55006)/;

export interface TrialLinkParts {
  readonly memberId: string;
  readonly connection: InternalConnection;
  readonly term: number;
  readonly remarks: Remarks;
}

export class PostgresTrialLink implements TrialLink {
  readonly #memberId: string;
  readonly #connection: InternalConnection;
  readonly #term: number;
  readonly #pipeline: ApplyPipeline;
  readonly #records: ApplyRecords;
  readonly #remarks: Remarks;

  constructor({ memberId, connection, term, remarks }: TrialLinkParts) {
    this.#memberId = memberId;
    this.#connection = connection;
    this.#term = term;
    this.#remarks = remarks;
    this.#pipeline = new ApplyPipeline(connection);
    const pipeline = this.#pipeline;
    this.#records = new ApplyRecords({ memberId, connection, pipeline, remarks });
  }

  get lost(): MemberError | undefined {
    return this.#connection.lost;
  }

  async hold(writeSet: WriteSet): Promise<TrialAnswer> {
    try {
      if (writeSet.bytes > inOneGoBytes) throw this.#untried('it is too large');
      try {
        await this.#holdOnce(writeSet, 'whole');
      } catch (error) {
        if (!(error instanceof MemberError) || !inAnotherManner.has(error.sqlState)) throw error;
        await this.letGo();
        // Code that runs here may take away what is prepared.
        this.#pipeline.prepares = false;
        await this.#holdOnce(writeSet, 'replaced').finally(() => (this.#pipeline.prepares = true));
      }
      return { kind: 'held' };
    } catch (failure) {
      const error = failure instanceof MemberError ? failure : this.#untried(messageOf(failure));
      await this.letGo().catch(() => this.close());
      return { kind: kindOf(error), error };
    }
  }

  async commit(record: CommitRecord): Promise<void> {
    await this.#records.log(record);
    this.#pipeline.add('lockstep_commit', 'COMMIT');
    await this.#pipeline.send();
    this.#remarks.leftOut(this.#memberId, this.#pipeline.takeLeftOut());
  }

  async letGo(): Promise<void> {
    if (this.#connection.lost !== undefined) throw this.#connection.lost;
    await this.#connection.query('ROLLBACK');
  }

  close(): void {
    // What runs there would go on until its end, and hold its locks.
    if (this.#connection.serversTurn !== undefined) this.#connection.cancel().catch(() => undefined);
    this.#connection.close();
  }

  async #holdOnce(writeSet: WriteSet, manner: Manner): Promise<void> {
    // Whatever other connections have changed meanwhile.
    this.#pipeline.prepareAnew();
    this.#records.forgetTables();
    this.#pipeline.add('lockstep_begin', 'BEGIN');
    this.#pipeline.add('lockstep_in_time', `SELECT set_config('lock_timeout', '${lockTimeoutMs}ms', true)`);
    this.#pipeline.add('lockstep_fence', `SELECT lockstep.fence(${this.#term})`);
    await this.#records.unlogged(writeSet, manner);
  }

  #untried(why: string): MemberError {
    return new MemberError(this.#memberId, 'retry', `member ${this.#memberId}: not tried: ${why}`);
  }
}

function kindOf({ blame, sqlState = '' }: MemberError): 'undecided' | 'lacks' | 'differs' {
  if (sqlState === undefinedFile) return 'lacks';
  if (sqlState === internalError || blame === 'diverged') return 'differs';
  if (blame !== 'client') return 'undecided';
  return ofContents.test(sqlState) ? 'differs' : 'lacks';
}
