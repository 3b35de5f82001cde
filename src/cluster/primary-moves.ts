/** Which member is the primary, and how that changes: after a loss, or on an operator's word. See DESIGN.md, "Moving the primary". */

import { LockstepError, messageOf, pause } from '../base/index.ts';
import type { ReplicaStreams } from './apply/replica-streams.ts';
import { asMemberError, busy, nodeStops, notActive } from './cluster-errors.ts';
import type { CommitOrder } from './commits/commit-order.ts';
import type { Gate } from './gate.ts';
import type { Membership } from './membership/membership.ts';
import type { Roster } from './roster.ts';
import type { ClusterSettings, MemberUser, World } from './world.ts';

export type WayOut = 'failed' | 'operator-out';

export interface PrimaryMovesOptions {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly order: CommitOrder;
  readonly streams: ReplicaStreams;
  /** In front of the primary. */
  readonly gate: Gate;
  readonly users: ReadonlySet<MemberUser>;
  readonly stopped: AbortSignal;
  /** An active member becomes a replica, with its sequences where the primary's are. Nobody commits meanwhile. */
  follow(id: string): Promise<void>;
  /** Takes out a member that is not, or no longer, the primary. */
  removeReplica(id: string, reason: string, event: WayOut): Promise<void>;
  report(id: string, error: unknown): void;
  markMembers(): void;
  /** It does not hold what the primary holds, and nobody has said who is right. */
  isContested(id: string): boolean;
  reigns(id: string): void;
}

/** Until the state is tried to be written again. */
const recordAgainMs = 50;

export class PrimaryMoves {
  readonly #options: PrimaryMovesOptions;
  #id: string;
  /** One at a time. */
  #turns: Promise<unknown> = Promise.resolve();

  constructor(options: PrimaryMovesOptions, id: string) {
    this.#options = options;
    this.#id = id;
  }

  get id(): string {
    return this.#id;
  }

  /**
   * The primary is lost, or taken out, and the replica that has applied most becomes the primary.
   *
   * 1. The gate closes; links to the old primary are abandoned, so that nothing more arrives from there.
   * 2. That it is inactive is recorded: from here on nothing may be acknowledged that only it has.
   * 3. Places still open are decided from what is in hand, and the successor is brought to the end of the order.
   * 4. The new primary reigns, the gate opens, sessions open new links.
   */
  takeOver(from: string, reason: string, event: WayOut): Promise<void> {
    const { gate, membership, order, users, world } = this.#options;
    return this.#inTurn(async () => {
      // While this waited for its turn the primary may have been moved: then it is a replica that is lost.
      if (from !== this.#id) return await this.#options.removeReplica(from, reason, event);
      gate.close();
      try {
        for (const user of users) user.abandon(from);
        const change = await membership.change(from, event, reason, {
          primary: this.#successor(from),
          wholeUpToCsn: order.recorded,
          // Whoever takes over may not hold what this one holds, whatever their logs say.
          ...(membership.active.some((id) => this.#options.isContested(id)) && { differs: true }),
        });
        if (change !== undefined) world.raise({ type: 'member-deactivated', member: from, reason });
        for (const csn of order.primaryLost()) {
          const why = `member ${from} was lost before its write set was received`;
          world.raise({ type: 'commit-decided-dead', csn, reason: why });
        }
        this.#reign(from, await this.#succeed(from), reason);
      } finally {
        gate.reopen();
      }
    });
  }

  /** It is moved on purpose. Open transactions get `switchMs` to end; what is open then is run again on the new one. */
  async switchTo(id: string, reason: string): Promise<void> {
    const { membership, order, streams } = this.#options;
    await this.withoutWriters(async (from) => {
      // The primary may have failed meanwhile, and this one taken over.
      if (id === from) return;
      const stream = streams.get(id);
      if (stream === undefined || stream.ended) throw notActive(id);
      await stream.drained();
      if (stream.ended || stream.appliedCsn < order.dispatched) throw busy();
      await membership.movePrimary(id);
      this.#reign(from, id, reason);
      await this.#options.follow(from).catch((failure: unknown) => {
        const error = asMemberError(from, failure);
        this.#options.report(error.memberId, error);
      });
    });
  }

  /**
   * Runs work that moves the primary, while nothing is open there: transactions get `switchMs` to end, and what is open
   * then is abandoned and run again afterwards.
   */
  async withoutWriters(work: (primary: string) => Promise<void>): Promise<void> {
    const { gate, order, settings, stopped, users, world } = this.#options;
    const { clock } = world;
    gate.close();
    try {
      const until = clock.monotonicMs() + settings.switchMs;
      while (clock.monotonicMs() < until && [...users].some((user) => user.inTransaction)) {
        // A pause does not wait once the node stops, and nothing would ever end this loop.
        if (stopped.aborted) throw busy();
        await pause(clock, 5, stopped);
      }
      for (const user of users) user.abandon(this.#id);
      const decidedUntil = clock.monotonicMs() + settings.commitMs;
      while (order.undecided) {
        if (clock.monotonicMs() > decidedUntil || stopped.aborted) throw busy();
        await pause(clock, 1);
      }
      // Nothing can be added: nobody has a link to the primary, and nobody gets one.
      await this.#inTurn(() => work(this.#id));
    } finally {
      gate.reopen();
    }
  }

  /** There is no way back: that the old primary is inactive is recorded. Resolves when a level member is recorded as the next. */
  async #succeed(from: string): Promise<string> {
    const { membership, stopped, world } = this.#options;
    for (;;) {
      const to = await this.#levelSuccessor(from);
      try {
        if (membership.primary !== to) await membership.movePrimary(to);
        if (membership.entry(to)?.state === 'active') return to;
      } catch (error) {
        if (stopped.aborted) throw error;
        const reason = `it could not be recorded as the primary: ${messageOf(error)}`;
        world.raise({ type: 'member-unfit', member: to, reason });
        await pause(world.clock, recordAgainMs, stopped);
      }
    }
  }

  /** Those who fail on the way are inquired into by their own streams' reports, and end; another takes their place. */
  async #levelSuccessor(from: string): Promise<string> {
    const { order, stopped, streams, world } = this.#options;
    for (;;) {
      const to = this.#successor(from);
      const stream = streams.get(to);
      await stream?.drained();
      if (stream?.ended === false && stream.appliedCsn >= order.dispatched) return to;
      if (stopped.aborted) throw nodeStops();
      // Whatever has to happen first needs its turn.
      await pause(world.clock, 1, stopped);
    }
  }

  #reign(from: string, to: string, reason: string): void {
    const { membership, order, roster, streams, world } = this.#options;
    streams.end(to);
    this.#id = to;
    this.#options.reigns(to);
    if (membership.entry(from)?.state !== 'active') roster.member(from).close();
    world.raise({ type: 'primary-switched', from, to, reason });
    order.acknowledge();
    this.#options.markMembers();
  }

  /** The active replica that has applied most; among equals the one with the greatest weight. */
  #successor(from: string): string {
    const { membership, roster, streams } = this.#options;
    const candidates = membership.active
      .filter((id) => id !== from && streams.get(id)?.ended === false)
      .sort((a, b) => {
        const [one, other] = [roster.load(a), roster.load(b)];
        if (one.suspect !== other.suspect) return one.suspect ? 1 : -1;
        const contested = [a, b].map((id) => this.#options.isContested(id));
        if (contested[0] !== contested[1]) return contested[0] === true ? 1 : -1;
        const further = (streams.get(b)?.appliedCsn ?? 0) - (streams.get(a)?.appliedCsn ?? 0);
        return further || other.weight - one.weight;
      });
    const [best] = candidates;
    if (best === undefined) {
      throw new LockstepError({
        code: 'cluster.no-successor',
        message: `no active member can take over from ${from}`,
        hint: 'Bring another member back first.',
      });
    }
    return best;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turns.then(work);
    this.#turns = turn.catch(() => undefined);
    return turn;
  }
}
