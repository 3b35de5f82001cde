/**
 * The one order. A transaction takes its place (CSN) when it holds all its locks; its fate is known later and in any
 * order; it is handed to the replicas only when the fate of every lower place is known; its client is answered when the
 * last active replica has applied it.
 *
 *   open ──write set──▶ received ──COMMIT──▶ committed ──every replica──▶ acknowledged
 *     │                     │
 *     └──── refused, lost ──┴──▶ dead
 *
 * `received` survives the loss of the primary: the cluster then decides "committed", because the old primary may have
 * let others see it. `open` does not: nobody can finish it, so it is decided "dead", and with it whatever has a higher
 * place: that may have seen it. So what the primary shows is given to a reader only when every place that was open by
 * then is `sure`: decided, or certain to be committed.
 */

import { deferred, invariant } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import type { CommitRecord, WriteSet } from '../../dialects/contract.ts';

export type Fate = 'open' | 'received' | 'committed' | 'empty' | 'dead';

export interface Ticket {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  /** The COMMIT itself may still be refused (SERIALIZABLE) or never be sent (large), so holding the write set does not decide it. */
  readonly mayBeRefused: boolean;
  /** How long the primary was at it. */
  readonly primaryMs: number;
  readonly fate: Fate;
  /** Settles when the fate is final: 'committed' only after every active replica has applied it. */
  readonly outcome: Promise<'committed' | 'dead'>;
}

interface Entry extends Ticket {
  fate: Fate;
  writeSet: WriteSet | null;
  /** A dead place that replicas must record, because the old primary may have used it. */
  tombstone: boolean;
  readonly settled: Deferred<'committed' | 'dead'>;
}

export interface CommitOrderHooks {
  /** A record whose turn has come, for every replica. */
  dispatch(record: CommitRecord): void;
  /** A place that leaves nothing for a replica to do. */
  passed(csn: number): void;
  /** The lowest CSN that every replica that counts has applied; Infinity without replicas. */
  appliedEverywhere(): number;
  /** Up to here nobody needs a write set any more, not even one who does not count yet. */
  releasable(): number;
  /** Where in the ring of the commit log this record belongs. */
  slotFor(csn: number): number;
}

export class CommitOrder {
  readonly #hooks: CommitOrderHooks;
  /** By CSN, ascending: places not yet dispatched. */
  readonly #waiting = new Map<number, Entry>();
  /** Dispatched and not yet applied everywhere, ascending. */
  #dispatched: Entry[] = [];
  /** Acknowledged, and still needed by a member that is joining; ascending. */
  #lingering: Entry[] = [];
  #watchers: { readonly upTo: number; readonly resolve: () => void }[] = [];
  /** Refused by a replica, and not yet judged. */
  readonly #doubtful = new Set<number>();
  #readers: { readonly upTo: number; readonly resolve: (kept: boolean) => void }[] = [];
  /** Every place up to here is sure. */
  #sure: number;
  #term: number;
  #last: number;
  #head: number;
  #recorded: number;

  constructor(hooks: CommitOrderHooks, start: { term: number; lastCsn: number }) {
    this.#hooks = hooks;
    this.#term = start.term;
    this.#last = start.lastCsn;
    this.#head = start.lastCsn;
    this.#recorded = start.lastCsn;
    this.#sure = start.lastCsn;
  }

  /** The highest place given out: whatever the primary shows to a reader now is not above it. */
  get lastOpened(): number {
    return this.#last;
  }

  /** Every place up to here is decided and handed to the replicas. */
  get dispatched(): number {
    return this.#head;
  }

  /** The highest of them that has a record. */
  get recorded(): number {
    return this.#recorded;
  }

  /** Resolves when every place given out so far is decided; undefined when fewer than `atLeast` are not. */
  decided(atLeast: number): Promise<void> | undefined {
    if (this.#waiting.size < atLeast) return undefined;
    const upTo = this.#last;
    return new Promise((resolve) => this.#watchers.push({ upTo, resolve }));
  }

  /**
   * Resolves when nothing that the primary may have shown by now can be lost with it any more; to false when some of it
   * was lost. Undefined when there is nothing to wait for.
   */
  sure(): Promise<boolean> | undefined {
    if (this.#certain >= this.#last) return undefined;
    const upTo = this.#last;
    return new Promise((resolve) => this.#readers.push({ upTo, resolve }));
  }

  /** A replica refuses this one: it may be lost with the primary, which alone has it then. Until `trust`. */
  doubt(csn: number): void {
    this.#doubtful.add(csn);
  }

  trust(csn: number): void {
    if (this.#doubtful.delete(csn)) this.#tellReaders();
  }

  /** Up to here nothing can be lost. */
  get #certain(): number {
    if (this.#doubtful.size === 0) return this.#sure;
    return Math.min(this.#sure, ...[...this.#doubtful].map((csn) => csn - 1));
  }

  get waiting(): number {
    return this.#waiting.size + this.#dispatched.length;
  }

  /** Somebody may still commit, or have committed, on the primary without our knowing. */
  get undecided(): boolean {
    return this.#waiting.size > 0;
  }

  open(options: { readonly mayBeRefused: boolean; readonly primaryMs: number }): Ticket {
    const csn = ++this.#last;
    const settled = deferred<'committed' | 'dead'>();
    // Whoever waits may have gone away with its client.
    settled.promise.catch(() => undefined);
    const entry: Entry = {
      csn,
      term: this.#term,
      slot: this.#hooks.slotFor(csn),
      mayBeRefused: options.mayBeRefused,
      primaryMs: options.primaryMs,
      fate: 'open',
      writeSet: null,
      tombstone: false,
      settled,
      outcome: settled.promise,
    };
    this.#waiting.set(csn, entry);
    return entry;
  }

  received(ticket: Ticket, writeSet: WriteSet | null): void {
    const entry = this.#entry(ticket);
    if (entry === undefined || entry.fate !== 'open') {
      writeSet?.release();
      return;
    }
    entry.fate = 'received';
    entry.writeSet = writeSet;
    this.#ensure();
  }

  /** What was received is not all of it, so nobody can finish it with that: it is to be received again. */
  incomplete(ticket: Ticket): void {
    const entry = this.#entry(ticket);
    if (entry === undefined || entry.fate !== 'received') return;
    entry.fate = 'open';
    entry.writeSet?.release();
    entry.writeSet = null;
  }

  committed(ticket: Ticket): void {
    const entry = this.#entry(ticket);
    if (entry === undefined || isFinal(entry.fate)) return;
    invariant(entry.fate === 'received', 'a commit is confirmed only after its write set was received');
    this.#decide(entry, entry.writeSet === null ? 'empty' : 'committed');
    this.#pump();
  }

  /** The transaction did not happen. `tombstone`: record that, because somebody may yet turn up who thinks it did. */
  dead(ticket: Ticket, options: { tombstone: boolean }): void {
    const entry = this.#entry(ticket);
    if (entry === undefined || isFinal(entry.fate)) return;
    entry.tombstone = options.tombstone;
    this.#decide(entry, 'dead');
    this.#pump();
  }

  /** The primary is gone for good: every open place is decided now, from what is in hand. */
  primaryLost(): readonly number[] {
    const died: number[] = [];
    for (const entry of this.#waiting.values()) {
      if (entry.fate === 'dead' || entry.fate === 'empty') continue;
      if (died.length === 0 && isSure(entry)) {
        this.#decide(entry, entry.writeSet === null ? 'empty' : 'committed');
      } else {
        died.push(entry.csn);
        entry.tombstone = true;
        this.#decide(entry, 'dead');
      }
    }
    this.#disappointReaders(died[0] ?? Infinity);
    this.#pump();
    return died;
  }

  /**
   * No replica can apply this place, and the primary, which alone has it, is lost: it is dead after all, and so is what comes behind it.
   * None of them was acknowledged. Returns those that had been committed. Nobody reads their write sets any more.
   */
  revoke(csn: number): readonly number[] {
    const revoked = this.#dispatched.filter((entry) => entry.csn >= csn && entry.fate === 'committed');
    for (const entry of revoked) {
      entry.fate = 'dead';
      entry.tombstone = true;
      entry.writeSet?.release();
      entry.writeSet = null;
    }
    this.#disappointReaders(csn);
    return revoked.map((entry) => entry.csn);
  }

  /** Called whenever a replica has applied more, or there are fewer to wait for. */
  acknowledge(): void {
    const level = this.#hooks.appliedEverywhere();
    let done = 0;
    for (const entry of this.#dispatched) {
      if (entry.csn > level) break;
      entry.settled.resolve(entry.fate === 'dead' ? 'dead' : 'committed');
      done += 1;
    }
    if (done > 0) {
      this.#lingering.push(...this.#dispatched.slice(0, done));
      this.#dispatched = this.#dispatched.slice(done);
    }
    const free = this.#hooks.releasable();
    let released = 0;
    for (const entry of this.#lingering) {
      if (entry.csn > free) break;
      entry.writeSet?.release();
      released += 1;
    }
    if (released > 0) this.#lingering = this.#lingering.slice(released);
  }

  #entry(ticket: Ticket): Entry | undefined {
    return this.#waiting.get(ticket.csn);
  }

  #decide(entry: Entry, fate: 'committed' | 'empty' | 'dead'): void {
    entry.fate = fate;
    if (fate === 'committed') return;
    entry.writeSet?.release();
    entry.writeSet = null;
    // Nothing has to reach a replica, so nothing has to be waited for.
    entry.settled.resolve(fate === 'dead' ? 'dead' : 'committed');
  }

  #ensure(): void {
    const before = this.#sure;
    for (;;) {
      const entry = this.#waiting.get(this.#sure + 1);
      if (this.#sure >= this.#last || (entry !== undefined && !isSure(entry))) break;
      this.#sure += 1;
    }
    if (this.#sure !== before) this.#tellReaders();
  }

  #tellReaders(): void {
    if (this.#readers.length === 0) return;
    const certain = this.#certain;
    const ready = this.#readers.filter(({ upTo }) => upTo <= certain);
    this.#readers = this.#readers.filter(({ upTo }) => upTo > certain);
    for (const { resolve } of ready) resolve(true);
  }

  #disappointReaders(lost: number): void {
    for (const { resolve } of this.#readers.filter(({ upTo }) => upTo >= lost)) resolve(false);
    this.#readers = this.#readers.filter(({ upTo }) => upTo < lost);
  }

  #pump(): void {
    this.#ensure();
    let moved = false;
    for (;;) {
      const entry = this.#waiting.get(this.#head + 1);
      if (entry === undefined || !isFinal(entry.fate)) break;
      this.#waiting.delete(entry.csn);
      this.#head = entry.csn;
      moved = true;
      if (entry.fate === 'committed' || entry.tombstone) {
        this.#dispatched.push(entry);
        this.#recorded = entry.csn;
        this.#hooks.dispatch({
          csn: entry.csn,
          term: entry.term,
          slot: entry.slot,
          writeSet: entry.writeSet,
          primaryMs: entry.primaryMs,
        });
      } else this.#hooks.passed(entry.csn);
    }
    if (!moved) return;
    if (this.#watchers.length > 0) {
      const ready = this.#watchers.filter(({ upTo }) => upTo <= this.#head);
      this.#watchers = this.#watchers.filter(({ upTo }) => upTo > this.#head);
      for (const { resolve } of ready) resolve();
    }
    this.acknowledge();
  }
}

/** Also without the primary it will be committed, provided that every lower place is sure. */
function isSure({ fate, mayBeRefused, writeSet }: Entry): boolean {
  return isFinal(fate) || (fate === 'received' && (!mayBeRefused || writeSet === null));
}

function isFinal(fate: Fate): boolean {
  return fate === 'committed' || fate === 'empty' || fate === 'dead';
}
