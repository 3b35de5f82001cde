/** The apply streams of all replicas that take part: what is dispatched goes to each of them. */

import { pause, withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { CommitRecord, Member, WriteSet } from '../../dialects/contract.ts';
import type { CommitOrder } from '../commits/commit-order.ts';
import type { ClusterSettings, World } from '../world.ts';
import { ApplyStream } from './apply-stream.ts';
import { Joiner } from './joiner.ts';
import { failsAlone } from './refusal.ts';
import { Trial } from './trial.ts';

export interface ReplicaStreamsOptions {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly term: number;
  readonly order: CommitOrder;
  /** A stream stands still, because the member failed it. */
  onFailed(id: string, error: MemberError): void;
  /** A stream stands still at this record, which the member refuses for what it holds. */
  onRefused(id: string, csn: number, error: MemberError): void;
}

/** How long a replica's next transaction waits for commits that are just being made on the primary. */
const gatherMs = 2;

/** With fewer than this under way, waiting would cost their clients more than it saves the replicas. */
const gatherPlacesMin = 2;

const batchBytesMax = 4 << 20;

/** How long the node waits, when it stops, for what is dispatched to be applied. */
const stopMs = 2000;

/** What may wait for a member that is joining, beyond which it goes back to reading the log. */
const joinRecordsMax = 5000;
const joinBytesMax = 16 << 20;

export class ReplicaStreams {
  readonly #options: ReplicaStreamsOptions;
  /** Those that count. */
  readonly #streams = new Map<string, ApplyStream>();
  /** Those that take what is dispatched, and for which nobody waits. */
  readonly #beside = new Map<string, Joiner>();

  constructor(options: ReplicaStreamsOptions) {
    this.#options = options;
  }

  get(id: string): ApplyStream | undefined {
    return this.#streams.get(id);
  }

  /** The lowest CSN that every one that counts has applied; Infinity when there are none. */
  get appliedEverywhere(): number {
    let level = Infinity;
    for (const stream of this.#streams.values()) level = Math.min(level, stream.appliedCsn);
    return level;
  }

  /** Up to here none of them needs a write set any more. */
  get releasable(): number {
    let level = this.appliedEverywhere;
    for (const { stream } of this.#beside.values()) level = Math.min(level, stream.appliedCsn);
    return level;
  }

  /** Those that count. */
  get counting(): readonly ApplyStream[] {
    return [...this.#streams.values()];
  }

  /** No member can apply this record, and it is decided against: who was about to join with it does so another time. */
  letGoOfJoiners(csn: number): void {
    for (const [id, joiner] of this.#beside) joiner.fail(new MemberError(id, 'gone', revoked(csn)));
  }

  /** From there on everything is dead for those that count. None of them has applied it. */
  revoke(csn: number): void {
    for (const stream of this.counting) stream.revoke(csn);
  }

  /** What is going to be a record, on all that count. */
  tryOut(writeSet: WriteSet, primaryMs: number): Promise<Trial> {
    const afterCsn = this.#options.order.lastOpened;
    return Trial.run(this.counting, writeSet, { afterCsn, primaryMs });
  }

  push(record: CommitRecord): void {
    for (const stream of this.#streams.values()) stream.push(record);
    for (const joiner of this.#beside.values()) {
      const { stream } = joiner;
      stream.push(record);
      if (stream.waiting > joinRecordsMax || stream.waitingBytes > joinBytesMax)
        joiner.fail(tooMuchWaits(stream.member.id));
    }
  }

  pass(csn: number): void {
    for (const stream of this.#streams.values()) stream.pass(csn);
    for (const { stream } of this.#beside.values()) stream.pass(csn);
  }

  /** Counts from now on. Rejects when the member cannot be reached; what is pushed then waits. */
  async open(member: Member): Promise<void> {
    const stream = this.#make(member, (error, csn) => this.#failed(member.id, error, csn));
    this.#streams.set(member.id, stream);
    await stream.open();
  }

  /**
   * A stream beside the others: it takes what is dispatched from now on, and nobody waits for it. What was dispatched before, the
   * caller has to give to the member; then the caller opens the stream.
   */
  join(member: Member): Joiner {
    const { id } = member;
    const joiner: Joiner = new Joiner((onFailed) => this.#make(member, onFailed), {
      count: () => {
        this.#beside.delete(id);
        this.#streams.set(id, joiner.stream);
      },
      drop: () => {
        joiner.stream.end();
        if (this.#beside.get(id) === joiner) this.#beside.delete(id);
        if (this.#streams.get(id) === joiner.stream) this.#streams.delete(id);
        this.#options.order.acknowledge();
      },
      failed: (error) => this.#failed(id, error, joiner.stream.refusedCsn),
    });
    this.#beside.set(id, joiner);
    return joiner;
  }

  /** It counts no more. */
  end(id: string): void {
    this.#streams.get(id)?.end();
    this.#streams.delete(id);
  }

  /** Lets what is dispatched be applied, for a while, and ends them all. */
  async stop(): Promise<void> {
    const { clock } = this.#options.world;
    const all = [...this.#streams.values()];
    await Promise.all(
      all.map((stream) =>
        withDeadline(clock, stopMs, stream.drained(), () => new Error('late')).catch(() => undefined),
      ),
    );
    for (const stream of all) stream.end();
    for (const { stream } of this.#beside.values()) stream.end();
  }

  #make(member: Member, onFailed: (error: MemberError, csn?: number) => void): ApplyStream {
    const { settings, world, term, order } = this.#options;
    return new ApplyStream(member, {
      clock: world.clock,
      term,
      startCsn: order.dispatched,
      batchMax: settings.applyBatch,
      batchBytesMax,
      gather: () => this.#gather(),
      times: () => settings,
      onApplied: () => order.acknowledge(),
      onFailed,
    });
  }

  #failed(id: string, error: MemberError, refusedCsn: number | undefined): void {
    this.#options.world.raise({ type: 'member-unfit', member: id, reason: error.message });
    const { blame, message, sqlState } = error;
    if (refusedCsn !== undefined) {
      this.#options.onRefused(id, refusedCsn, error);
      return;
    }
    // A broken connection is a reason to ask; an order that cannot be carried out is evidence.
    const asked = blame === 'gone' || blame === 'fenced';
    const verdict = failsAlone(blame) ? 'diverged' : 'unfit';
    this.#options.onFailed(id, asked ? error : new MemberError(id, verdict, message, sqlState));
  }

  /** Until the commits under way now are decided, but never long: an idle cluster does not wait at all. */
  #gather(): Promise<void> | undefined {
    const { order, world } = this.#options;
    const decided = order.decided(gatherPlacesMin);
    return decided === undefined ? undefined : Promise.race([decided, pause(world.clock, gatherMs)]);
  }
}

function revoked(csn: number): string {
  return `CSN ${csn}, which it had been given, was decided against`;
}

function tooMuchWaits(id: string): MemberError {
  return new MemberError(id, 'gone', `member ${id} falls behind while it joins`);
}
