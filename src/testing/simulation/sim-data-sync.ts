/** Snapshots, comparing and copying between simulated servers: a row at a time, so that anything can strike in between. */

import { MemberError } from '../../dialects/contract.ts';
import type { Member } from '../../dialects/contract.ts';
import type {
  CompareRequest,
  Comparison,
  DataSync,
  Finding,
  MemberSnapshot,
  PreparedSnapshot,
  RowSampler,
  SchemaVerdict,
  SyncJob,
  TableChange,
  TableDifference,
} from '../../dialects/sync-contract.ts';
import type { Connection } from './connection.ts';
import type { SimMember } from './sim-member.ts';
import type { Backend, LoggedCommit, SimServer } from './sim-server.ts';
import type { Value } from './sim-write-set.ts';
import type { World } from './world.ts';

/** There is one. */
const table = 'rows';

interface View {
  readonly csn: number;
  readonly rows: ReadonlyMap<string, Value>;
  readonly contained: ReadonlyMap<number, LoggedCommit>;
  readonly moment: number;
}

class SimSnapshot implements MemberSnapshot {
  readonly view: View;
  readonly connection: Connection;

  constructor(connection: Connection, view: View) {
    this.connection = connection;
    this.view = view;
  }

  get memberId(): string {
    return this.connection.server.id;
  }

  get csn(): number {
    return this.view.csn;
  }

  /** It ends with its connection. */
  async read(): Promise<void> {
    await this.connection.call((backend) => this.connection.server.work(backend, 0.2));
  }

  close(): void {
    this.connection.close();
  }
}

export interface SimDataSyncOptions {
  readonly world: World;
  /** A member's rows are about to become those of this snapshot. */
  readonly onCopied: (source: string, rows: ReadonlyMap<string, Value>, moment: number) => void;
}

export class SimDataSync implements DataSync {
  readonly #world: World;
  readonly #onCopied: SimDataSyncOptions['onCopied'];
  /** What a target's data contain once they have been made those of a snapshot. */
  readonly #made = new Map<string, ReadonlyMap<number, LoggedCommit>>();

  constructor({ world, onCopied }: SimDataSyncOptions) {
    this.#world = world;
    this.#onCopied = onCopied;
  }

  async openSnapshot(member: Member): Promise<MemberSnapshot> {
    const connection = await (member as SimMember).connect();
    try {
      return await this.#snapshot(connection);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async prepareSnapshot(member: Member): Promise<PreparedSnapshot> {
    const connection = await (member as SimMember).connect();
    let taken = false;
    return {
      memberId: member.id,
      take: async () => {
        const snapshot = await this.#snapshot(connection);
        taken = true;
        return snapshot;
      },
      close: () => {
        if (!taken) connection.close();
      },
    };
  }

  compareDatabases(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  notReplaceable(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async compareSchema(snapshot: MemberSnapshot, target: Member): Promise<SchemaVerdict> {
    await (snapshot as SimSnapshot).read();
    return await this.#on(target, async (server, backend) => {
      await server.work(backend, 0.2);
      return server.rows.size === 0 ? { kind: 'empty' } : { kind: 'equal' };
    });
  }

  markIncomplete(target: Member, why: string, as: { clusterId: string; term: number }): Promise<void> {
    return this.#on(target, async (server, backend) => {
      if (server.term < as.term) await server.raiseTerm(backend, as.term);
      server.endSyncs();
      await this.#change(server, backend, as.term, () => {
        if (!this.#world.flawed('marks-nothing')) server.setIncomplete(why, as.clusterId);
      });
    });
  }

  async diff(job: SyncJob): Promise<readonly TableChange[]> {
    await this.#on(job.target, async (server, backend) => {
      await server.work(backend, 0.2);
      if (!server.refusesDiff) return;
      throw new MemberError(server.id, 'client', `member ${server.id}: a row cannot be compared`, '22000');
    });
    return await this.#repair(job);
  }

  async full(job: SyncJob): Promise<readonly TableChange[]> {
    if (!job.dryRun)
      await this.#on(job.target, (server, backend) =>
        this.#change(server, backend, job.term, () => server.emptyRows()),
      );
    return await this.#repair(job);
  }

  /** Each row in a transaction of its own. */
  async #repair(job: SyncJob): Promise<readonly TableChange[]> {
    const { target, term, keeper, control, dryRun } = job;
    const source = job.snapshot as SimSnapshot;
    const { rows, contained, moment } = source.view;
    this.#onCopied(source.memberId, rows, moment);
    let [missing, extra] = [0, 0];
    const connection = await (target as SimMember).connect();
    const { server } = connection;
    try {
      const found = await connection.call(async (backend) => {
        server.syncs.add(backend);
        await server.work(backend, 0.3);
        return new Map(server.rows);
      });
      for (const key of new Set([...rows.keys(), ...found.keys()])) {
        control.signal.throwIfAborted();
        const [wanted, has] = [rows.get(key), found.get(key)];
        if (wanted === has) continue;
        await source.read();
        if (has !== undefined) extra += 1;
        if (wanted !== undefined) missing += 1;
        if (dryRun) continue;
        if (has !== undefined) await keeper.keep(table, ['key', 'value'], Buffer.from(`${key}\t${has}`));
        await keeper.flush();
        const repaired = connection.call(async (backend) => {
          await server.lock(backend, key);
          await this.#change(server, backend, term, () => server.replaceRow(key, wanted));
        });
        if (this.#world.flawed('concludes-early')) repaired.catch(() => undefined);
        else await repaired;
        await control.pace(20);
      }
    } finally {
      if (!this.#world.flawed('concludes-early')) connection.close();
    }
    this.#made.set(target.id, contained);
    return [{ table, missing, extra, samples: [] }];
  }

  async conclude(
    target: Member,
    source: Member,
    at: { csn: number; term: number; version: number },
  ): Promise<void> {
    await (source as SimMember).inspect();
    await this.#on(target, (server, backend) =>
      this.#change(server, backend, at.term, () =>
        server.conclude(at, this.#made.get(target.id) ?? new Map()),
      ),
    );
  }

  /** There are no sequences here; both are asked all the same. */
  async levelPositions(target: Member, source: Member, { term }: { term: number }): Promise<void> {
    await (source as SimMember).inspect();
    await this.#on(target, (server, backend) => this.#change(server, backend, term, () => undefined));
  }

  async compare(snapshots: readonly MemberSnapshot[], request: CompareRequest): Promise<Comparison> {
    const parties = snapshots as readonly SimSnapshot[];
    const nothing = new Map<string, readonly Finding[]>();
    const comparison = { schema: nothing, sequences: nothing, unwatched: nothing, complete: true };
    if (request.skip.has(table)) return comparison;
    request.control.signal.throwIfAborted();
    await Promise.all(parties.map((party) => party.read()));
    const groups = new Map<string, string[]>();
    for (const { memberId, view } of parties) {
      const content = JSON.stringify([...view.rows].sort(([one], [other]) => (one < other ? -1 : 1)));
      groups.set(content, [...(groups.get(content) ?? []), memberId]);
    }
    const right = request.right([...groups.values()], table);
    const rows = parties.find(({ memberId }) => right.includes(memberId))?.view.rows ?? new Map();
    const wrong = parties.filter(({ memberId }) => !right.includes(memberId));
    request.onTable({
      table,
      rows: rows.size,
      members: parties.map(({ memberId }) => memberId),
      differences: new Map(wrong.map(({ memberId, view }) => [memberId, differenceOf(view.rows, rows)])),
      certain: true,
      failure: undefined,
    });
    return comparison;
  }

  /** In this world rows are compared by verifications alone. */
  openSampler(): RowSampler {
    return {
      pick: () => Promise.resolve(undefined),
      digest: () => Promise.resolve(''),
      close: () => undefined,
    };
  }

  unwatchedTables(): Promise<readonly Finding[]> {
    return Promise.resolve([]);
  }

  watchTables(): Promise<void> {
    return Promise.resolve();
  }

  async #snapshot(connection: Connection): Promise<SimSnapshot> {
    const { server } = connection;
    const view = await connection.call(async (backend) => {
      await server.work(backend, 0.3);
      const incomplete = server.marks === undefined ? 'it is no member yet' : server.marks.incomplete;
      if (incomplete !== null) {
        const why = `member ${server.id} holds no data that can be relied on: ${incomplete}`;
        throw new MemberError(server.id, 'unfit', why);
      }
      const contained = new Map(server.contained);
      return { csn: server.lastCsn, rows: server.view(), contained, moment: this.#world.moment() };
    });
    return new SimSnapshot(connection, view);
  }

  /** A transaction that changes what no client may. */
  async #change(server: SimServer, backend: Backend, term: number, change: () => void): Promise<void> {
    server.begin(backend, { readOnly: false, serializable: false });
    try {
      server.needsSpace();
      await server.work(backend, 0.5);
      server.fence(backend, term);
      change();
    } finally {
      server.rollback(backend);
    }
  }

  /** One call over a connection of its own: whatever interrupts it ends it. */
  async #on<T>(member: Member, work: (server: SimServer, backend: Backend) => Promise<T>): Promise<T> {
    const connection = await (member as SimMember).connect();
    const { server } = connection;
    try {
      return await connection.call((backend) => work(server, backend));
    } finally {
      connection.close();
    }
  }
}

function differenceOf(rows: ReadonlyMap<string, Value>, right: ReadonlyMap<string, Value>): TableDifference {
  const missing = [...right].filter(([key, value]) => rows.get(key) !== value).length;
  const extra = [...rows].filter(([key, value]) => right.get(key) !== value).length;
  return { table, missing, extra, samples: [], atLeast: false, pairs: [] };
}
