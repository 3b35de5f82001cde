/** A simulated server as one node's engine meets it: the contract of a dialect, over connections that can fail. */

import { withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import { runsOf } from '../../dialects/logged-runs.ts';
import type {
  ApplyLink,
  Member,
  MemberLog,
  MemberReport,
  SessionIdentity,
  SessionLink,
  SessionListener,
  TrialLink,
  Vitals,
} from '../../dialects/contract.ts';
import { Connection } from './connection.ts';
import type { Machine } from './machine.ts';
import { SimApplyLink } from './sim-apply-link.ts';
import { SimLogReader } from './sim-log-reader.ts';
import type { Backend, SimServer } from './sim-server.ts';
import { SimSessionLink } from './sim-session-link.ts';
import { SimWriteSet } from './sim-write-set.ts';
import type { WriteSetLedger } from './write-set-ledger.ts';
import type { World } from './world.ts';

const callMs = 500;

export class SimMember implements Member {
  readonly id: string;
  readonly log: MemberLog;
  readonly #world: World;
  readonly #machine: Machine;
  readonly #server: SimServer;
  readonly #ledger: WriteSetLedger;
  #applies: Backend | undefined;
  readonly #sessions = new Set<Backend>();

  constructor(world: World, machine: Machine, server: SimServer, ledger: WriteSetLedger) {
    this.id = server.id;
    this.#world = world;
    this.#machine = machine;
    this.#server = server;
    this.#ledger = ledger;
    this.log = {
      list: (afterCsn, upToCsn = Infinity) =>
        this.#ask(() =>
          runsOf(
            [...server.log.values()]
              .filter(({ csn }) => csn > afterCsn && csn <= upToCsn)
              .sort((one, other) => one.csn - other.csn)
              .map(({ csn, term, slot, payload }) => ({ csn, term, slot, dead: payload === null })),
          ),
        ),
      read: async (csn) => {
        const payload = await this.#ask(() => server.log.get(csn)?.payload ?? null);
        return payload === null ? null : new SimWriteSet(payload, ledger.handOut());
      },
      openReader: async () => new SimLogReader(world, await this.connect(), () => ledger.handOut()),
    };
  }

  /** For work of its own. The caller closes it. */
  connect(): Promise<Connection> {
    return Connection.open(this.#world, this.#machine, this.#server);
  }

  inspect(): Promise<MemberReport> {
    const server = this.#server;
    return this.#ask(() => {
      return {
        serverVersion: '1',
        marks: server.marks,
        term: server.term,
        lastCsn: server.lastCsn,
        dangers: [],
        unlogged: false,
      };
    });
  }

  async probe(): Promise<Vitals> {
    const { clusterId, incomplete, term, lastCsn } = await this.#ask(() => {
      const { marks, term: now, lastCsn: last } = this.#server;
      return {
        clusterId: marks?.clusterId ?? '',
        incomplete: marks?.incomplete ?? null,
        term: now,
        lastCsn: last,
      };
    });
    if (incomplete !== null)
      throw new MemberError(this.id, 'unfit', `member ${this.id} is incomplete: ${incomplete}`);
    return { clusterId, term, lastCsn, dangers: [], foreignWrites: null };
  }

  enroll(as: {
    clusterId: string;
    version: number;
    active: readonly string[];
    baseCsn: number;
  }): Promise<void> {
    return this.#ask(() => {
      this.#server.changes();
      this.#server.marks ??= { ...as, memberId: this.id, incomplete: null, writtenAround: false };
    });
  }

  raiseTerm(term: number): Promise<void> {
    return this.#use((backend) => this.#server.raiseTerm(backend, term));
  }

  mark({ version, active }: { version: number; active: readonly string[] }): Promise<void> {
    return this.#ask(() => {
      const { marks } = this.#server;
      this.#server.changes();
      if (marks !== undefined && marks.version <= version) this.#server.marks = { ...marks, version, active };
    });
  }

  /** There are no schema statements here. */
  openTrial(): Promise<TrialLink> {
    return Promise.reject(new MemberError(this.id, 'gone', `member ${this.id}: nothing is tried`));
  }

  async openApply(term: number): Promise<ApplyLink> {
    const connection = await this.connect();
    const before = this.#applies;
    this.#applies = connection.backend;
    // The one before may still be at work on what its other end has given up.
    if (before !== undefined)
      await connection.call(async (backend) => {
        await this.#server.work(backend, 0.1);
        this.#server.end(before);
      });
    return new SimApplyLink(this.#world, connection, term);
  }

  /** There are no types here. */
  sameNumbers(): boolean {
    return true;
  }

  async openSession(_identity: SessionIdentity, listener: SessionListener): Promise<SessionLink> {
    const connection = await Connection.open(this.#world, this.#machine, this.#server, (error) =>
      listener.lost(error),
    );
    this.#sessions.add(connection.backend);
    return new SimSessionLink(this.#world, connection, () => this.#ledger.handOut());
  }

  settle(csn: number, link: SessionLink): Promise<'committed' | 'absent'> {
    const server = this.#server;
    return this.#ask(() => {
      if (!this.#world.flawed('settles-by-guess')) server.end((link as SimSessionLink).connection.backend);
      return server.log.has(csn) ? 'committed' : 'absent';
    });
  }

  async shutOut(): Promise<void> {
    const left = [...this.#sessions, ...(this.#applies === undefined ? [] : [this.#applies])];
    await this.#ask(() => left.forEach((backend) => this.#server.end(backend)));
    for (const backend of left) this.#sessions.delete(backend);
  }

  dropSegment(slot: number, upToCsn: number): Promise<void> {
    return this.#ask(() => this.#server.dropSegment(slot, upToCsn));
  }

  /** In this world an answer comes, or its connection breaks. */
  working(links: readonly SessionLink[]): Promise<ReadonlySet<SessionLink>> {
    return Promise.resolve(new Set(links));
  }

  close(): void {}

  #ask<T>(look: () => T): Promise<T> {
    return this.#use(async (backend) => {
      await this.#server.work(backend, 0.2);
      return look();
    });
  }

  /** On a connection of its own, within the deadline that every call of a member has. */
  async #use<T>(work: (backend: Backend) => Promise<T>): Promise<T> {
    const connection = await this.connect();
    try {
      return await withDeadline(this.#machine.clock, callMs, connection.call(work), () => {
        return new MemberError(this.id, 'gone', `member ${this.id} has not answered within ${callMs} ms`);
      });
    } finally {
      connection.close();
    }
  }
}
