/**
 * A database server with rows, row locks, transactions and the commit log that a member keeps. What is committed
 * survives a crash; everything else is gone. It can freeze: then nothing in it moves until it thaws.
 */

import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { MemberMarks } from '../../dialects/contract.ts';
import { RowLocks } from './row-locks.ts';
import type { Change, Value } from './sim-write-set.ts';
import type { World } from './world.ts';

export interface LoggedCommit {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  /** Null: a dead place. */
  readonly payload: string | null;
}

/** The server's side of one connection. */
export interface Backend {
  readonly id: number;
  /** Which node is at the other end. */
  readonly machine: string;
  ended: boolean;
  transaction: Transaction | undefined;
  onEnd: () => void;
}

export interface Transaction {
  readonly readOnly: boolean;
  readonly serializable: boolean;
  readonly changes: Map<string, Change>;
  failed: boolean;
}

/** All that is on its disk. */
export interface Backup {
  readonly rows: ReadonlyMap<string, Value>;
  readonly log: ReadonlyMap<number, LoggedCommit>;
  readonly contained: ReadonlyMap<number, LoggedCommit>;
  readonly marks: MemberMarks | undefined;
  readonly term: number;
}

/** Unwinds whatever a backend was doing when it ended. */
export class BackendEnded extends Error {}

export class SimServer {
  readonly id: string;
  readonly rows = new Map<string, Value>();
  readonly log = new Map<number, LoggedCommit>();
  /** Every commit that this server's data contains, also those that its log has dropped. */
  readonly contained = new Map<number, LoggedCommit>();
  marks: MemberMarks | undefined;
  term = 0;
  /** Those that synchronise it. */
  readonly syncs = new Set<Backend>();
  /** Something in it cannot be compared: only copying helps. */
  refusesDiff = false;
  /** How many of the next transactions fail because the disk is full. */
  diskFullFor = 0;
  readonly #world: World;
  readonly #locks = new RowLocks<Backend>();
  readonly #backends = new Set<Backend>();
  /** Transactions that have passed the check of the term and not yet ended. */
  readonly #fenced = new Set<Backend>();
  readonly #past: { readonly atMs: number; readonly rows: ReadonlyMap<string, Value> }[] = [];
  /** Somebody was promised that nothing of an older term commits any more. */
  #shutOutBelow = 0;
  #thawed: Deferred | undefined;
  #up = true;
  #backendCount = 0;

  constructor(id: string, world: World) {
    this.id = id;
    this.#world = world;
  }

  get up(): boolean {
    return this.#up;
  }

  get frozen(): boolean {
    return this.#thawed !== undefined;
  }

  get lastCsn(): number {
    return Math.max(this.marks?.baseCsn ?? 0, ...this.log.keys());
  }

  // ——— what befalls it

  crash(): void {
    if (!this.#up) return;
    this.#tell('crashes');
    this.#up = false;
    for (const backend of this.#backends) this.end(backend);
    this.thaw();
  }

  restart(): void {
    if (this.#up) return;
    this.#up = true;
    this.#tell(`is up again, its log ends at CSN ${this.lastCsn}`);
  }

  freeze(): void {
    if (!this.#up || this.frozen) return;
    this.#tell('freezes');
    this.#thawed = deferred();
  }

  thaw(): void {
    if (this.#thawed === undefined) return;
    this.#tell('thaws');
    this.#thawed.resolve();
    this.#thawed = undefined;
  }

  // ——— connections

  connect(machine: string): Backend {
    const backend: Backend = {
      id: ++this.#backendCount,
      machine,
      ended: false,
      transaction: undefined,
      onEnd: () => undefined,
    };
    this.#backends.add(backend);
    return backend;
  }

  end(backend: Backend): void {
    if (backend.ended) return;
    backend.ended = true;
    this.#backends.delete(backend);
    this.rollback(backend);
    backend.onEnd();
  }

  /** Work that takes time, during which everything can happen. */
  async work(backend: Backend, ms: number): Promise<void> {
    await this.#world.pause(ms * this.#world.random.between(0.5, 1.5));
    while (this.#thawed !== undefined) await this.#thawed.promise;
    if (backend.ended) throw new BackendEnded();
  }

  /** What a transaction that writes meets when there is no space for it. */
  needsSpace(): void {
    if (this.diskFullFor === 0) return;
    this.diskFullFor -= 1;
    throw new MemberError(this.id, 'unfit', `member ${this.id}: No space left on device`, '53100');
  }

  // ——— transactions

  begin(backend: Backend, options: { readOnly: boolean; serializable: boolean }): Transaction {
    const transaction = { ...options, changes: new Map<string, Change>(), failed: false };
    backend.transaction = transaction;
    return transaction;
  }

  rollback(backend: Backend): void {
    backend.transaction = undefined;
    this.#fenced.delete(backend);
    this.#locks.release(backend, new BackendEnded());
  }

  lock(backend: Backend, name: string): Promise<void> {
    return this.#locks.acquire(name, backend);
  }

  /** Refuses a term that is over; the one that is checked stays in force until the transaction has ended. */
  fence(backend: Backend, term: number): void {
    if (term !== this.term && !this.#world.flawed('ignores-the-term')) {
      throw new MemberError(this.id, 'fenced', `term ${term} is over on member ${this.id}`, 'LS001');
    }
    this.#fenced.add(backend);
  }

  async raiseTerm(backend: Backend, term: number): Promise<void> {
    this.changes();
    if (this.term >= term)
      throw new MemberError(this.id, 'fenced', `member ${this.id} has seen term ${this.term}`, 'LS001');
    this.term = term;
    while (this.#fenced.size > 0) await this.work(backend, 0.5);
    this.#shutOutBelow = Math.max(this.#shutOutBelow, term);
  }

  /** All at once: rows, commit records, and the end of the transaction. */
  commit(backend: Backend, records: readonly LoggedCommit[], underTerm: number): void {
    const changes = backend.transaction?.changes ?? new Map<string, Change>();
    if (records.length > 0) {
      this.changes();
      this.#world.wrote(underTerm, backend.machine);
      if (underTerm < this.#shutOutBelow)
        this.#world.violated('G7', `member ${this.id} committed for term ${underTerm} in term ${this.term}`);
    }
    this.#rememberPast();
    for (const { key, value } of changes.values()) this.rows.set(key, value);
    for (const record of records) {
      this.log.set(record.csn, record);
      this.contained.set(record.csn, record);
      this.#world.committed(record.csn);
    }
    if (records.length > 0) {
      const csns = records.map(({ csn, payload }) => (payload === null ? `${csn} (dead)` : csn)).join(', ');
      this.#tell(`has committed CSN ${csns} for ${backend.machine}`);
    }
    this.rollback(backend);
  }

  read(backend: Backend | undefined, key: string): Value | undefined {
    const own = backend?.transaction?.changes.get(key)?.value;
    if (own !== undefined) return own;
    if (this.#world.flawed('shows-uncommitted-rows')) {
      for (const other of this.#backends) {
        const dirty = other.transaction?.changes.get(key)?.value;
        if (dirty !== undefined) return dirty;
      }
    }
    if (this.#world.flawed('answers-from-the-past') && backend?.transaction === undefined) {
      const since = this.#world.clock.monotonicMs() - 15;
      const past = this.#past.find(({ atMs }) => atMs > since);
      if (past !== undefined) return past.rows.get(key);
    }
    return this.rows.get(key);
  }

  dropSegment(slot: number, upToCsn: number): void {
    const segment = [...this.log.values()].filter((record) => record.slot === slot).map(({ csn }) => csn);
    if (segment.some((csn) => csn > upToCsn))
      throw new MemberError(
        this.id,
        'client',
        `member ${this.id}: a record above ${upToCsn} is still needed`,
      );
    if (this.marks !== undefined)
      this.marks = { ...this.marks, baseCsn: Math.max(this.marks.baseCsn, ...segment) };
    for (const csn of segment) this.log.delete(csn);
  }

  /** Its rows as a snapshot shows them. */
  view(): ReadonlyMap<string, Value> {
    const since = this.#world.clock.monotonicMs() - 30;
    const past = this.#world.flawed('copies-the-past')
      ? this.#past.find(({ atMs }) => atMs > since)
      : undefined;
    return past?.rows ?? new Map(this.rows);
  }

  // ——— what a synchronisation does to it

  setIncomplete(why: string, clusterId: string): void {
    this.changes();
    const { version = 0, active = [], baseCsn = 0, writtenAround = false } = this.marks ?? {};
    this.marks = { clusterId, memberId: this.id, version, active, baseCsn, incomplete: why, writtenAround };
    this.#tell(`is marked incomplete: ${why}`);
  }

  /** Whatever of another synchronisation is still at work here. */
  endSyncs(): void {
    for (const backend of this.syncs) this.end(backend);
    this.syncs.clear();
  }

  replaceRow(key: string, value: Value | undefined): void {
    this.#repairs();
    this.#rememberPast();
    if (value === undefined) this.rows.delete(key);
    else this.rows.set(key, value);
    this.#tell(`is given ${key}=${value}`);
  }

  emptyRows(): void {
    this.#repairs();
    this.refusesDiff = false;
    this.rows.clear();
    this.#tell('is emptied');
  }

  conclude(at: { csn: number; version: number }, contained: ReadonlyMap<number, LoggedCommit>): void {
    this.changes();
    this.log.clear();
    replace(this.contained, contained);
    if (this.marks !== undefined)
      this.marks = {
        ...this.marks,
        baseCsn: at.csn,
        version: Math.max(this.marks.version, at.version),
        incomplete: null,
        writtenAround: false,
      };
    this.#tell(`stands for CSN ${at.csn}`);
  }

  // ——— what an administrator does to it while it is down

  backup(): Backup {
    const { marks, term } = this;
    return {
      rows: new Map(this.rows),
      log: new Map(this.log),
      contained: new Map(this.contained),
      marks,
      term,
    };
  }

  restore(backup: Backup): void {
    replace(this.rows, backup.rows);
    replace(this.log, backup.log);
    replace(this.contained, backup.contained);
    this.marks = backup.marks;
    this.term = backup.term;
    this.#past.length = 0;
    this.#shutOutBelow = 0;
    this.#tell(`is put back to where it was at CSN ${this.lastCsn}`);
  }

  /** Another machine, that has nothing, stands in its place. */
  replaceByEmpty(): void {
    this.restore({ rows: new Map(), log: new Map(), contained: new Map(), marks: undefined, term: 0 });
  }

  /** What answers at its address belongs to somebody else. */
  replaceByForeign(): void {
    const marks = { version: 7, active: [this.id], baseCsn: 0, incomplete: null, writtenAround: false };
    this.restore({
      rows: new Map([['treasure', 1]]),
      log: new Map(),
      contained: new Map(),
      marks: { ...marks, clusterId: 'another', memberId: this.id },
      term: 3,
    });
  }

  /** Somebody writes to it around Lockstep. `noticed`: it can tell. */
  writeDirectly(key: string, value: Value, noticed: boolean): void {
    this.rows.set(key, value);
    this.#world.directWrites += 1;
    if (noticed && this.marks !== undefined) this.marks = { ...this.marks, writtenAround: true };
    this.#tell(`is given ${key}=${value} by a stranger`);
  }

  /** Called before anything of it is changed. */
  changes(): void {
    const { marks } = this;
    if (marks === undefined || marks.clusterId === this.#world.profile.settings.clusterId) return;
    this.#world.violated('G6', `${this.id}, which belongs to the cluster ${marks.clusterId}, is changed`);
  }

  /** The mark first. */
  #repairs(): void {
    this.changes();
    if (this.marks?.incomplete == null)
      this.#world.violated('G8', `${this.id} is repaired, and does not say that it is incomplete`);
  }

  #rememberPast(): void {
    if (!this.#world.flawed('answers-from-the-past') && !this.#world.flawed('copies-the-past')) return;
    this.#past.push({ atMs: this.#world.clock.monotonicMs(), rows: new Map(this.rows) });
  }

  #tell(what: string): void {
    this.#world.story.tell(this.id, what);
  }
}

function replace<K, V>(target: Map<K, V>, source: ReadonlyMap<K, V>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}
