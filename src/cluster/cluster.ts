/**
 * The engine, joined from its parts: membership, commit order, apply streams, read router, probes. It decides what a
 * failure means and moves the primary. It knows members only through what it is handed.
 */

import { invariant, LockstepError, messageOf, pause, withDeadline } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { StateStore } from '../coordination/index.ts';
import { MemberError } from '../dialects/contract.ts';
import type { CommitRecord, Member, SessionLink } from '../dialects/contract.ts';
import type { EngineEventBody } from '../telemetry/index.ts';
import { ApplyStream } from './apply/apply-stream.ts';
import { CommitOrder } from './commits/commit-order.ts';
import type { Ticket } from './commits/commit-order.ts';
import { LogRing } from './commits/log-ring.ts';
import { Gate } from './gate.ts';
import { unknownMember } from './membership/membership.ts';
import type { Membership } from './membership/membership.ts';
import { Prober } from './membership/prober.ts';
import type { ProbeSettings } from './membership/prober.ts';
import { MemberLoad } from './reads/member-load.ts';
import { ReadRouter } from './reads/read-router.ts';
import type { Balancer } from './reads/read-router.ts';

export interface ClusterMember {
  readonly member: Member;
  readonly url: string;
  readonly weight: number;
}

export interface ClusterSettings {
  readonly clusterId: string;
  readonly balancer: Balancer;
  readonly probe: ProbeSettings;
  readonly commitMs: number;
  readonly switchMs: number;
  readonly applyBatch: number;
  readonly log: { readonly segments: number; readonly segmentBytes: number; readonly segmentMs: number };
}

/** What the engine is handed, and all that it touches. */
export interface World {
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly store: StateStore;
  readonly raise: (event: EngineEventBody) => void;
}

export interface ClusterParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly members: readonly ClusterMember[];
  readonly membership: Membership;
  readonly start: { readonly term: number; readonly lastCsn: number; readonly slot: number };
}

/** Sessions that the engine must reach when the primary moves. */
export interface PrimaryUser {
  readonly inTransaction: boolean;
  /** The member is no primary any more: whatever is open there is lost. */
  abandonPrimary(memberId: string): void;
}

export type PrimaryVerdict = 'alive' | 'deposed';

const allSilentPauseMs = 250;

export class Cluster {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly order: CommitOrder;
  readonly gate = new Gate();
  readonly #members: ReadonlyMap<string, ClusterMember>;
  readonly #loads = new Map<string, MemberLoad>();
  readonly #streams = new Map<string, ApplyStream>();
  readonly #router: ReadRouter;
  readonly #ring: LogRing;
  readonly #prober: Prober;
  readonly #users = new Set<PrimaryUser>();
  readonly #troubles = new Map<string, Promise<PrimaryVerdict>>();
  readonly #stopped = new AbortController();
  #primaryId: string;
  /** Grows with every change of the primary. */
  #reign = 0;

  constructor(parts: ClusterParts) {
    const { settings, world, members, membership, start } = parts;
    this.settings = settings;
    this.world = world;
    this.membership = membership;
    this.#members = new Map(members.map((member) => [member.member.id, member]));
    for (const { member, weight } of members) this.#loads.set(member.id, new MemberLoad(member.id, weight));
    this.#router = new ReadRouter({ balancer: settings.balancer, random: world.random });
    this.#ring = new LogRing(
      { clock: world.clock, ...settings.log, empty: (slot) => this.#emptySegment(slot) },
      start.slot,
    );
    this.order = new CommitOrder(
      {
        dispatch: (record) => this.#dispatch(record),
        appliedEverywhere: () => this.#appliedEverywhere(),
        slotFor: () => this.#ring.slot,
      },
      start,
    );
    invariant(membership.primary !== null, 'a cluster is made with a primary');
    this.#primaryId = membership.primary;
    this.#prober = new Prober({
      clock: world.clock,
      settings: settings.probe,
      members: () => this.membership.active.map((id) => this.#member(id)),
      onUnfit: (id, error) => void this.trouble(id, error),
      raise: world.raise,
    });
  }

  get primary(): Member {
    return this.#member(this.#primaryId);
  }

  get reign(): number {
    return this.#reign;
  }

  get term(): number {
    return this.membership.term;
  }

  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  member(id: string): Member | undefined {
    return this.#members.get(id)?.member;
  }

  load(id: string): MemberLoad {
    const load = this.#loads.get(id);
    invariant(load, `member ${id} has no load`);
    return load;
  }

  streamOf(id: string): ApplyStream | undefined {
    return this.#streams.get(id);
  }

  /** Opens the streams to the replicas and begins to watch. Clients may come when it has resolved. */
  async open(): Promise<void> {
    for (const id of this.membership.active) {
      if (id === this.#primaryId) continue;
      await this.#openStream(id, this.order.dispatched).catch((error: unknown) =>
        this.trouble(id, asMemberError(id, error)),
      );
    }
    await this.#markMembers();
    this.#prober.start();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#prober.stop();
    await Promise.all(
      [...this.#streams.values()].map((stream) =>
        withDeadline(this.world.clock, 2000, stream.drained(), () => new Error('late')).catch(
          () => undefined,
        ),
      ),
    );
    for (const stream of this.#streams.values()) stream.end();
    for (const { member } of this.#members.values()) member.close();
  }

  register(user: PrimaryUser): () => void {
    this.#users.add(user);
    return () => this.#users.delete(user);
  }

  /** The member to read from, for a session that may have seen `seenCsn`. */
  chooseReader(seenCsn: number, tried: ReadonlySet<string>): MemberLoad | undefined {
    const readers: MemberLoad[] = [];
    for (const id of this.membership.active) {
      const load = this.load(id);
      if (id === this.#primaryId) {
        load.appliedCsn = Infinity;
      } else {
        const stream = this.#streams.get(id);
        if (stream === undefined || stream.ended || load.suspect) continue;
        load.appliedCsn = stream.appliedCsn;
      }
      readers.push(load);
    }
    return this.#router.choose(readers, seenCsn, tried);
  }

  /** The highest CSN that a read just answered by this member may have shown. */
  visibleCsn(memberId: string): number {
    if (memberId === this.#primaryId) return this.order.lastOpened;
    return this.#streams.get(memberId)?.visibleCsn ?? this.order.lastOpened;
  }

  /**
   * What became of a commit whose link broke. Resolves with the fate when it is certain; 'committed' only after every
   * active replica has it.
   */
  async settleCommit(ticket: Ticket, link: SessionLink, error: MemberError): Promise<'committed' | 'dead'> {
    for (;;) {
      if (ticket.fate === 'committed' || ticket.fate === 'dead' || ticket.fate === 'empty')
        return await ticket.outcome;
      const verdict = await this.trouble(link.memberId, error);
      if (verdict === 'deposed') continue;
      try {
        await this.#settleOnLivingPrimary(ticket, link);
      } catch (failure) {
        await this.trouble(link.memberId, asMemberError(link.memberId, failure));
      }
    }
  }

  async #settleOnLivingPrimary(ticket: Ticket, link: SessionLink): Promise<void> {
    const member = this.#member(link.memberId);
    const found = await member.settle(ticket.csn, link);
    // The fate may have been decided while we asked.
    if (found === 'absent') {
      // A transaction without changes leaves no record; it is not told apart from one that never happened, and need not be.
      this.order.dead(ticket, { tombstone: false });
      this.world.raise({
        type: 'commit-decided-dead',
        csn: ticket.csn,
        reason: `the connection to ${link.memberId} broke before it committed`,
      });
      return;
    }
    if (ticket.fate === 'open') this.order.received(ticket, await member.log.read(ticket.csn));
    this.order.committed(ticket);
  }

  /**
   * Something is wrong with a member, says whoever noticed. One inquiry at a time for each member; resolves when it is
   * clear: 'alive' (go on with it) or 'deposed' (it is recorded inactive, and if it was the primary there is another).
   */
  trouble(id: string, error: MemberError): Promise<PrimaryVerdict> {
    if (error.blame === 'fenced') this.#fenced(error);
    const running = this.#troubles.get(id);
    if (running !== undefined) return running;
    if (this.membership.entry(id)?.state !== 'active') return Promise.resolve('deposed');
    const load = this.load(id);
    load.suspect = true;
    const inquiry = this.#inquire(id, error).finally(() => {
      this.#troubles.delete(id);
      load.suspect = false;
    });
    this.#troubles.set(id, inquiry);
    return inquiry;
  }

  async #inquire(id: string, first: MemberError): Promise<PrimaryVerdict> {
    const { clock } = this.world;
    const { probe } = this.settings;
    let error = first;
    // An apply that failed is evidence in itself; a broken connection is only a reason to ask.
    const evidence = first.blame === 'unfit';
    for (let failures = 0; !this.#stopped.signal.aborted; ) {
      if (this.membership.entry(id)?.state !== 'active') return 'deposed';
      const answer = evidence ? error : await this.#prober.ask(id);
      if (answer === undefined) {
        this.#streams.get(id)?.goOn();
        return 'alive';
      }
      error = answer;
      failures += 1;
      const certain = evidence || isCertain(answer) || failures >= probe.threshold;
      if (certain && (await this.#otherAnswers(id))) {
        if (await this.#depose(id, error)) return 'deposed';
      } else if (certain) {
        // Nobody answers, or nobody else is there: that may be this machine's own network. Nobody is deactivated.
        await pause(clock, allSilentPauseMs, this.#stopped.signal);
        if (evidence && this.membership.active.length === 1) {
          this.#streams.get(id)?.goOn();
          return 'alive';
        }
      }
    }
    return 'deposed';
  }

  /** Another active member can do the work right now. */
  async #otherAnswers(id: string): Promise<boolean> {
    const others = this.membership.active.filter((other) => other !== id && !this.load(other).suspect);
    const answers = await Promise.all(others.map((other) => this.#prober.ask(other)));
    return answers.some((answer) => answer === undefined);
  }

  /** Records the member inactive and goes on without it. False: it could not be done, ask again. */
  async #depose(id: string, error: MemberError): Promise<boolean> {
    try {
      if (id === this.#primaryId) await this.#replacePrimary({ reason: error.message, remove: true });
      else await this.#removeReplica(id, error.message);
      return true;
    } catch (failure) {
      this.world.raise({
        type: 'member-unfit',
        member: id,
        reason: `could not be taken out: ${messageOf(failure)}`,
      });
      await pause(this.world.clock, allSilentPauseMs, this.#stopped.signal);
      return false;
    }
  }

  async #removeReplica(
    id: string,
    reason: string,
    event: 'failed' | 'operator-out' = 'failed',
  ): Promise<void> {
    const change = await this.membership.change(id, event, reason);
    if (change === undefined) return;
    this.#streams.get(id)?.end();
    this.#streams.delete(id);
    this.world.raise({ type: 'member-deactivated', member: id, reason });
    this.order.acknowledge();
    void this.#markMembers();
  }

  /**
   * Another member becomes the primary. `remove`: the old one is dead; otherwise it stays as a replica.
   *
   * 1. The gate closes; links to the old primary are abandoned, so that nothing more arrives from there.
   * 2. With `remove`, its being inactive is recorded: from here on nothing may be acknowledged that only it has.
   * 3. Places still open are decided from what is in hand, and every replica is brought to the end of the order.
   * 4. The new primary is recorded, the gate opens, sessions open new links.
   */
  async #replacePrimary(options: {
    reason: string;
    remove: boolean;
    to?: string;
    held?: boolean;
  }): Promise<void> {
    const from = this.#primaryId;
    this.gate.close();
    try {
      for (const user of this.#users) user.abandonPrimary(from);
      const to = options.to ?? this.#successor(from);
      if (options.remove) {
        await this.membership.change(from, options.held ? 'operator-out' : 'failed', options.reason, {
          primary: to,
        });
        this.world.raise({ type: 'member-deactivated', member: from, reason: options.reason });
        for (const csn of this.order.primaryLost()) {
          this.world.raise({
            type: 'commit-decided-dead',
            csn,
            reason: `member ${from} was lost before its write set was received`,
          });
        }
      }
      await this.#streams.get(to)?.drained();
      const stream = this.#streams.get(to);
      if (stream === undefined || stream.appliedCsn < this.order.dispatched) {
        // The successor failed in its turn; it is inquired into by its own stream's report.
        const next = this.#successor(from);
        invariant(next !== to, `member ${to} cannot take over and no other can`);
        return await this.#replacePrimary({ ...options, to: next, remove: false });
      }
      if (!options.remove) await this.membership.movePrimary(to);
      stream.end();
      this.#streams.delete(to);
      this.#primaryId = to;
      this.#reign += 1;
      if (this.membership.entry(from)?.state === 'active')
        await this.#openStream(from, this.order.dispatched);
      this.world.raise({ type: 'primary-switched', from, to, reason: options.reason });
      this.order.acknowledge();
      void this.#markMembers();
    } finally {
      this.gate.reopen();
    }
  }

  /** The active replica that has applied most; among equals the one with the greatest weight. */
  #successor(from: string): string {
    const candidates = this.membership.active
      .filter((id) => id !== from && this.#streams.get(id)?.ended === false)
      .sort((a, b) => {
        const further = (this.#streams.get(b)?.appliedCsn ?? 0) - (this.#streams.get(a)?.appliedCsn ?? 0);
        return this.load(a).suspect === this.load(b).suspect
          ? further || this.load(b).weight - this.load(a).weight
          : this.load(a).suspect
            ? 1
            : -1;
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

  /** An operator moves the primary. Open transactions get `switchMs` to end; what is open then is run again on the new one. */
  async switchPrimary(id: string): Promise<void> {
    this.#known(id);
    if (id === this.#primaryId) return;
    if (this.membership.entry(id)?.state !== 'active') {
      throw new LockstepError({
        code: 'cluster.not-active',
        message: `member ${id} is not active and cannot become the primary`,
        hint: `First: lockstep member activate ${id}`,
      });
    }
    await this.#quiet();
    await this.#replacePrimary({ reason: 'an operator moved it', remove: false, to: id });
  }

  async deactivate(id: string, reason: string): Promise<void> {
    this.#known(id);
    if (id !== this.#primaryId || this.membership.active.length === 1) {
      await this.#removeReplica(id, reason, 'operator-out');
      return;
    }
    await this.#quiet();
    await this.#replacePrimary({ reason, remove: true, held: true });
  }

  /** Brings a member back that is provably level: its log ends where the order ends, while nothing can be added. */
  async activate(id: string): Promise<void> {
    this.#known(id);
    const entry = this.membership.entry(id);
    if (entry?.state === 'active') return;
    const member = this.#member(id);
    await this.#quiet();
    this.gate.close();
    try {
      await this.#settled();
      const report = await member.inspect();
      const { marks } = report;
      const refuse = (why: string): never => {
        throw new LockstepError({
          code: 'cluster.not-level',
          message: `member ${id} is not provably level with the cluster: ${why}`,
          hint: 'It has to be synchronised first.',
        });
      };
      if (marks === undefined) refuse('it has never been part of the cluster');
      else if (marks.clusterId !== this.settings.clusterId)
        refuse(`it belongs to the cluster ${marks.clusterId}`);
      else if (marks.memberId !== id) refuse(`it calls itself ${marks.memberId}`);
      else if (marks.incomplete !== null)
        refuse(`its last synchronisation did not finish (${marks.incomplete})`);
      if (report.term > this.term) refuse(`it has seen term ${report.term}, this node has term ${this.term}`);
      const ours = (await this.primary.inspect()).lastCsn;
      if (report.lastCsn !== ours) refuse(`its log ends at CSN ${report.lastCsn}, the cluster's at ${ours}`);
      await this.#sameLog(member, ours, refuse);
      if (report.term < this.term) await member.raiseTerm(this.term);
      await this.membership.change(id, 'operator-in', 'proven level');
      await this.#openStream(id, this.order.dispatched);
      this.world.raise({
        type: 'member-activated',
        member: id,
        reason: 'its commit log ends where the cluster’s ends',
      });
      await this.#markMembers();
    } finally {
      this.gate.reopen();
    }
  }

  /** The last records must be the same ones: equal numbers from different terms are different commits. */
  async #sameLog(member: Member, lastCsn: number, refuse: (why: string) => never): Promise<void> {
    const [theirs, ours] = await Promise.all([
      member.log.list(lastCsn - 1000),
      this.primary.log.list(lastCsn - 1000),
    ]);
    const key = (record: { csn: number; term: number; dead: boolean }): string =>
      `${record.csn}/${record.term}/${record.dead}`;
    const known = new Set(ours.map(key));
    const odd = theirs.find((record) => !known.has(key(record)));
    if (odd !== undefined)
      refuse(`its log has a commit ${odd.csn} of term ${odd.term} that the cluster does not have`);
    if (theirs.length !== ours.length) refuse('its log lacks commits of the cluster');
  }

  /** Waits until no transaction is open on the primary, but not for ever. */
  async #quiet(): Promise<void> {
    const { clock } = this.world;
    const until = clock.monotonicMs() + this.settings.switchMs;
    this.gate.close();
    try {
      while (clock.monotonicMs() < until && [...this.#users].some((user) => user.inTransaction))
        await pause(clock, 5);
    } finally {
      this.gate.reopen();
    }
  }

  /** Every place given out is decided and applied everywhere. The gate is closed, so none is added. */
  async #settled(): Promise<void> {
    const { clock } = this.world;
    const until = clock.monotonicMs() + this.settings.commitMs;
    while (this.order.waiting > 0) {
      if (clock.monotonicMs() > until) {
        throw new LockstepError({
          code: 'cluster.busy',
          message: 'commits under way did not end in time',
          retryable: true,
          hint: 'Try again.',
        });
      }
      await pause(clock, 2);
    }
  }

  async #openStream(id: string, startCsn: number): Promise<void> {
    const stream: ApplyStream = new ApplyStream(this.#member(id), {
      clock: this.world.clock,
      term: this.term,
      startCsn,
      batchMax: this.settings.applyBatch,
      batchBytesMax: 4 << 20,
      deadlineMs: this.settings.commitMs,
      onApplied: () => this.order.acknowledge(),
      onFailed: (error) => {
        this.world.raise({ type: 'member-unfit', member: id, reason: error.message });
        // A broken connection is a reason to ask; an order that cannot be carried out is evidence.
        const evidence =
          error.blame === 'gone' || error.blame === 'fenced'
            ? error
            : new MemberError(id, 'unfit', error.message, error.sqlState);
        void this.trouble(id, evidence);
      },
    });
    this.#streams.set(id, stream);
    await stream.open();
  }

  #dispatch(record: CommitRecord): void {
    this.#ring.note(record.writeSet?.bytes ?? 0);
    this.membership.noteCsn(record.csn);
    for (const stream of this.#streams.values()) stream.push(record);
  }

  #appliedEverywhere(): number {
    let level = Infinity;
    for (const stream of this.#streams.values()) level = Math.min(level, stream.appliedCsn);
    return level;
  }

  async #emptySegment(slot: number): Promise<void> {
    await Promise.all(this.membership.active.map((id) => this.#member(id).dropSegment(slot)));
  }

  /** The second witness of who is active. The state file is the first, so a mark that fails stops nothing. */
  async #markMembers(): Promise<void> {
    const { version, active } = this.membership;
    await Promise.all(
      active.map((id) =>
        this.#member(id)
          .mark({ version, active })
          .catch((error: unknown) =>
            this.world.raise({
              type: 'member-unfit',
              member: id,
              reason: `its mark could not be written: ${messageOf(error)}`,
            }),
          ),
      ),
    );
  }

  #fenced(error: MemberError): never {
    this.world.raise({ type: 'internal-error', where: 'term', error: error.message });
    this.#stopped.abort(error);
    throw error;
  }

  #known(id: string): void {
    if (!this.#members.has(id)) throw unknownMember(id, this.membership.members);
  }

  #member(id: string): Member {
    const found = this.#members.get(id);
    invariant(found, `member ${id} is not known`);
    return found.member;
  }
}

/** No second opinion is needed: nobody listens there, or it says itself that it is going down. */
function isCertain(error: MemberError): boolean {
  return (
    error.blame === 'unfit' ||
    error.sqlState !== undefined ||
    /ECONNREFUSED|closed|ECONNRESET|EPIPE/.test(error.message)
  );
}

function asMemberError(id: string, error: unknown): MemberError {
  return error instanceof MemberError ? error : new MemberError(id, 'gone', messageOf(error));
}
