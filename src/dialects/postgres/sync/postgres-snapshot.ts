/** One unchanging view of one member, which further connections can share. It holds no lock on any table of the user's. */

import { quoteLiteral } from '../../../sql/index.ts';
import { MemberError } from '../../contract.ts';
import type { MemberSnapshot, PreparedSnapshot } from '../../sync-contract.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { lastLoggedCsn } from '../last-logged-csn.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { syncSettings } from './sync-settings.ts';

const place = `SELECT m.incomplete, greatest(m.base_csn, (${lastLoggedCsn}))`;
const major = `current_setting('server_version_num')::int / 10000`;

export class PostgresSnapshot implements MemberSnapshot {
  readonly member: PostgresMember;
  readonly csn: number;
  readonly major: number;
  /** How pg_dump is told of it. */
  readonly exported: string;
  /** Keeps the snapshot, and does nothing else: whatever it read it would hold locks on to the end. */
  readonly #connection: InternalConnection;

  private constructor(
    member: PostgresMember,
    connection: InternalConnection,
    found: { csn: number; major: number; exported: string },
  ) {
    this.member = member;
    this.#connection = connection;
    this.csn = found.csn;
    this.major = found.major;
    this.exported = found.exported;
  }

  get memberId(): string {
    return this.member.id;
  }

  static async open(member: PostgresMember): Promise<MemberSnapshot> {
    const prepared = await PostgresSnapshot.prepare(member);
    try {
      return await prepared.take();
    } catch (error) {
      prepared.close();
      throw error;
    }
  }

  static async prepare(member: PostgresMember): Promise<PreparedSnapshot> {
    const connection = await member.openInternal(syncSettings);
    let taken = false;
    try {
      // What it needs of the catalog has been read when it counts.
      await connection.rows(`${place}, NULL, ${major} FROM lockstep.member m`);
    } catch (error) {
      connection.close();
      throw error;
    }
    return {
      memberId: member.id,
      take: async () => {
        const snapshot = await PostgresSnapshot.#take(member, connection);
        taken = true;
        return snapshot;
      },
      close: () => {
        if (!taken) connection.close();
      },
    };
  }

  static async #take(member: PostgresMember, connection: InternalConnection): Promise<PostgresSnapshot> {
    const [row] = await connection.rows(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${place}, pg_export_snapshot(), ${major} FROM lockstep.member m`,
    );
    const [incomplete, csn, exported, version] = row ?? [];
    if (row === undefined || incomplete !== null) {
      const why = row === undefined ? 'it is no member yet' : incomplete;
      throw new MemberError(
        member.id,
        'unfit',
        `member ${member.id} holds no data that can be relied on: ${why}`,
      );
    }
    return new PostgresSnapshot(member, connection, {
      csn: Number(csn),
      major: Number(version),
      exported: exported ?? '',
    });
  }

  /** What a further connection begins a transaction with in order to see the same. */
  get begin(): string {
    return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(this.exported)}`;
  }

  /** Runs `work` on a connection that sees the same. */
  async use<T>(work: (connection: InternalConnection) => Promise<T>): Promise<T> {
    const connection = await this.member.openInternal(syncSettings);
    try {
      await connection.query(this.begin);
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  close(): void {
    this.#connection.close();
  }
}
