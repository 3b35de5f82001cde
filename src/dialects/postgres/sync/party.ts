/** A member in a comparison. */

import type { InternalConnection } from '../internal-connection.ts';
import type { Crew } from './crew.ts';
import type { PostgresSnapshot } from './postgres-snapshot.ts';
import { syncSettings } from './sync-settings.ts';
import { readTables } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';

export class Party {
  readonly snapshot: PostgresSnapshot;
  readonly tables: ReadonlyMap<string, SyncTable>;
  readonly #crew: Crew;
  #connection: InternalConnection | undefined;

  private constructor(crew: Crew, snapshot: PostgresSnapshot, tables: ReadonlyMap<string, SyncTable>) {
    this.#crew = crew;
    this.snapshot = snapshot;
    this.tables = tables;
  }

  static async enter(crew: Crew, snapshot: PostgresSnapshot): Promise<Party> {
    const tables = await snapshot.use((connection) => readTables(connection, 'both'));
    return new Party(crew, snapshot, tables);
  }

  get id(): string {
    return this.snapshot.memberId;
  }

  /** For one table after the other, each in a transaction of its own: no table is locked for longer than it is read. */
  async connection(): Promise<InternalConnection> {
    if (this.#connection === undefined || this.#connection.lost !== undefined)
      this.#connection = await this.#crew.open(this.snapshot.member, syncSettings);
    return this.#connection;
  }

  /** Stops what it reads. The next table gets another connection. */
  async giveUp(): Promise<void> {
    await this.#connection?.cancel();
    this.#connection?.close();
  }
}
