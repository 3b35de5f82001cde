/** The apply streams of all replicas that take part: what is dispatched goes to each of them. */

import { pause, withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { CommitRecord, Member } from '../../dialects/contract.ts';
import type { CommitOrder } from '../commits/commit-order.ts';
import type { ClusterSettings, World } from '../world.ts';
import { ApplyStream } from './apply-stream.ts';

export interface ReplicaStreamsOptions {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly term: number;
  readonly order: CommitOrder;
  /** A stream stands still, because the member failed it. */
  onFailed(id: string, error: MemberError): void;
}

/** How long a replica's next transaction waits for commits that are just being made on the primary. */
const gatherMs = 2;

/** With fewer than this under way, waiting would cost their clients more than it saves the replicas. */
const gatherPlacesMin = 2;

const batchBytesMax = 4 << 20;

/** How long the node waits, when it stops, for what is dispatched to be applied. */
const stopMs = 2000;

export class ReplicaStreams {
  readonly #options: ReplicaStreamsOptions;
  readonly #streams = new Map<string, ApplyStream>();

  constructor(options: ReplicaStreamsOptions) {
    this.#options = options;
  }

  get(id: string): ApplyStream | undefined {
    return this.#streams.get(id);
  }

  /** The lowest CSN that every one of them has applied; Infinity when there are none. */
  get appliedEverywhere(): number {
    let level = Infinity;
    for (const stream of this.#streams.values()) level = Math.min(level, stream.appliedCsn);
    return level;
  }

  push(record: CommitRecord): void {
    for (const stream of this.#streams.values()) stream.push(record);
  }

  pass(csn: number): void {
    for (const stream of this.#streams.values()) stream.pass(csn);
  }

  /** Counts from now on. Rejects when the member cannot be reached; what is pushed then waits. */
  async open(member: Member): Promise<void> {
    const stream = this.make(member);
    this.add(stream);
    await stream.open();
  }

  /** One for a member that has everything that was dispatched so far. It does not count yet. */
  make(member: Member): ApplyStream {
    const { settings, world, term, order } = this.#options;
    const { id } = member;
    return new ApplyStream(member, {
      clock: world.clock,
      term,
      startCsn: order.dispatched,
      batchMax: settings.applyBatch,
      batchBytesMax,
      gather: () => this.#gather(),
      deadlineMs: settings.commitMs,
      onApplied: () => order.acknowledge(),
      onFailed: (error) => {
        world.raise({ type: 'member-unfit', member: id, reason: error.message });
        // A broken connection is a reason to ask; an order that cannot be carried out is evidence.
        const asked = error.blame === 'gone' || error.blame === 'fenced';
        const { message, sqlState } = error;
        this.#options.onFailed(id, asked ? error : new MemberError(id, 'unfit', message, sqlState));
      },
    });
  }

  add(stream: ApplyStream): void {
    this.#streams.set(stream.member.id, stream);
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
  }

  /** Until the commits under way now are decided, but never long: an idle cluster does not wait at all. */
  #gather(): Promise<void> | undefined {
    const { order, world } = this.#options;
    const decided = order.decided(gatherPlacesMin);
    return decided === undefined ? undefined : Promise.race([decided, pause(world.clock, gatherMs)]);
  }
}
