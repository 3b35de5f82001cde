import { MemberError } from '../../dialects/contract.ts';
import type { ApplyLink, CommitRecord } from '../../dialects/contract.ts';
import type { Connection } from './connection.ts';
import { Deadlock } from './row-locks.ts';
import type { Backend, LoggedCommit, SimServer } from './sim-server.ts';
import { payloadOf } from './sim-write-set.ts';
import type { Change } from './sim-write-set.ts';
import type { World } from './world.ts';

export class SimApplyLink implements ApplyLink {
  readonly #world: World;
  readonly #connection: Connection;
  readonly #server: SimServer;
  readonly #term: number;
  #askedUpTo = 0;

  constructor(world: World, connection: Connection, term: number) {
    this.#world = world;
    this.#connection = connection;
    this.#server = connection.server;
    this.#term = term;
  }

  async apply(records: readonly CommitRecord[]): Promise<void> {
    const batch: LoggedCommit[] = [];
    for (const { csn, term, slot, writeSet } of records) {
      if (this.#connection.lost !== undefined) throw this.#connection.lost;
      if (csn <= this.#askedUpTo)
        this.#world.violated('G3', `CSN ${csn} is applied after ${this.#askedUpTo} on ${this.#server.id}`);
      this.#askedUpTo = csn;
      batch.push({ csn, term, slot, payload: writeSet === null ? null : await payloadOf(writeSet) });
    }
    const applied = this.#connection.call(async (backend) => {
      if (this.#world.flawed('confirms-before-applying')) {
        void this.#server
          .work(backend, 10)
          .then(() => this.#applyAll(backend, batch))
          .catch(() => undefined);
        return;
      }
      await this.#applyAll(backend, batch);
    });
    try {
      await applied;
    } catch (error) {
      const [only] = batch;
      if (only !== undefined && batch.length === 1) this.#world.refusalHeard(only.csn);
      throw error;
    }
  }

  lastCsn(): Promise<number> {
    return this.#connection.call(async (backend) => {
      await this.#server.work(backend, 0.1);
      const ahead = this.#world.flawed('claims-to-be-further') && this.#world.random.happens(0.3) ? 1 : 0;
      return this.#server.lastCsn + ahead;
    });
  }

  /** What it is at does not grow here: a server that is late is slow. */
  atWork(): Promise<boolean> {
    return Promise.resolve(false);
  }

  schemaChanged(): void {}

  close(): void {
    this.#connection.close();
  }

  async #applyAll(backend: Backend, batch: readonly LoggedCommit[]): Promise<void> {
    const world = this.#world;
    const server = this.#server;
    try {
      server.fence(backend, this.#term);
      server.begin(backend, { readOnly: false, serializable: false });
      server.needsSpace();
      const order = world.flawed('applies-out-of-order') ? [...batch].reverse() : batch;
      for (const record of order) await this.#applyOne(backend, record);
      await server.work(backend, 0.5);
      server.commit(backend, batch, this.#term);
    } catch (error) {
      server.rollback(backend);
      if (error instanceof Deadlock) throw new MemberError(server.id, 'retry', error.message, '40P01');
      throw error;
    }
  }

  async #applyOne(backend: Backend, { csn, payload }: LoggedCommit): Promise<void> {
    const world = this.#world;
    const server = this.#server;
    await server.lock(backend, `csn ${csn}`);
    if (server.log.has(csn))
      throw new MemberError(server.id, 'client', `member ${server.id}: duplicate CSN ${csn}`, '23505');
    if (payload === null) return;
    const refusal = world.refusalOf(csn);
    if (refusal !== undefined) {
      const why = `member ${server.id}: what CSN ${csn} says cannot be done here`;
      throw new MemberError(server.id, refusal.blame, why, refusal.sqlState);
    }
    if (world.flawed('loses-a-write-set') && world.random.happens(0.1)) return;
    for (const change of JSON.parse(payload) as Change[]) {
      await server.lock(backend, change.key);
      const found = server.read(backend, change.key) ?? null;
      if (found !== change.old && !world.flawed('applies-out-of-order')) {
        const why = `member ${server.id}: ${change.key} is ${found}, CSN ${csn} expects ${change.old}`;
        throw new MemberError(server.id, 'diverged', why, 'LS004');
      }
      backend.transaction?.changes.set(change.key, change);
      if (world.flawed('applies-in-halves')) {
        server.rows.set(change.key, change.value);
        await server.work(backend, 2);
      }
    }
    await server.work(backend, 0.05);
  }
}
