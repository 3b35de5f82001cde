/**
 * The engine, joined from its parts: membership, commit order, apply streams, read router, probes. It decides what a
 * failure means and moves the primary. It knows members only through what it is handed.
 */

import { invariant, LockstepError, messageOf, pause, withDeadline } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { StateStore } from '../coordination/index.ts';
import { MemberError } from '../dialects/contract.ts';
import type { CommitRecord, Member, MemberReport, SessionLink } from '../dialects/contract.ts';
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

/** Sessions that the engine must reach when a member goes or the primary moves. */
export interface MemberUser {
  /** A transaction of it is open on the primary. */
  readonly inTransaction: boolean;
  /** The member is left alone from now on: whatever is open or under way there is lost. */
  abandon(memberId: string): void;
}

export type Verdict = 'alive' | 'deposed';

const allSilentPauseMs = 250;

/** How long a replica's next transaction waits for commits that are just being made on the primary. */
const gatherMs = 2;

/** With fewer than this under way, waiting would cost their clients more than it saves the replicas. */
const gatherPlacesMin = 2;

export class Cluster {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly order: CommitOrder;
  /** In front of the primary: closed while it changes. */
  readonly gate = new Gate();
  /** In front of the order: closed while a member joins. */
  readonly commitGate = new Gate();
  readonly #members: ReadonlyMap<string, ClusterMember>;
  readonly #loads = new Map<string, MemberLoad>();
  readonly #streams = new Map<string, ApplyStream>();
  readonly #router: ReadRouter;
  readonly #ring: LogRing;
  readonly #prober: Prober;
  readonly #users = new Set<MemberUser>();
  readonly #troubles = new Map<string, Promise<Verdict>>();
  readonly #stopped = new AbortController();
  #primaryId: string;
  /** Changes of the primary, one at a time. */
  #changes: Promise<unknown> = Promise.resolve();

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
        passed: (csn) => {
          for (const stream of this.#streams.values()) stream.pass(csn);
        },
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
      onUnfit: (id, error) => this.report(id, error, 1),
      raise: world.raise,
    });
  }

  get primary(): Member {
    return this.#member(this.#primaryId);
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
      await this.#openStream(id).catch((error: unknown) => this.trouble(id, asMemberError(id, error)));
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

  register(user: MemberUser): () => void {
    this.#users.add(user);
    return () => this.#users.delete(user);
  }

  /** The member to read from, for a session that may have seen `seenCsn`. */
  chooseReader(seenCsn: number, tried: ReadonlySet<string>): MemberLoad | undefined {
    const readers: MemberLoad[] = [];
    for (const id of this.membership.active) {
      const load = this.load(id);
      if (load.suspect) continue;
      if (id === this.#primaryId) {
        load.appliedCsn = Infinity;
      } else {
        const stream = this.#streams.get(id);
        if (stream === undefined || stream.ended) continue;
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
   * active replica has it. Rejects only when the node stops.
   */
  async settleCommit(ticket: Ticket, link: SessionLink, error: MemberError): Promise<'committed' | 'dead'> {
    for (let cause = error; !isDecided(ticket); ) {
      const verdict = await this.trouble(link.memberId, cause);
      if (isDecided(ticket)) break;
      // Whoever deposes the primary decides every place that was open; one taken later was never sent anywhere.
      if (verdict === 'deposed') this.order.dead(ticket, { tombstone: true });
      else cause = (await this.#settleOnLivingPrimary(ticket, link)) ?? cause;
    }
    return await ticket.outcome;
  }

  /** Undefined: decided. Otherwise what kept the primary from answering. */
  async #settleOnLivingPrimary(ticket: Ticket, link: SessionLink): Promise<MemberError | undefined> {
    const member = this.#member(link.memberId);
    try {
      const found = await member.settle(ticket.csn, link);
      const known = found === 'absent' || ticket.fate !== 'open' ? null : await member.log.read(ticket.csn);
      // It may have been decided while we asked.
      if (isDecided(ticket)) return undefined;
      if (found === 'committed') {
        if (ticket.fate === 'open') this.order.received(ticket, known);
        this.order.committed(ticket);
        return undefined;
      }
      // A transaction without changes leaves no record; it is not told apart from one that never happened, and need not be.
      this.order.dead(ticket, { tombstone: false });
      const reason = `the connection to ${link.memberId} broke before it committed`;
      this.world.raise({ type: 'commit-decided-dead', csn: ticket.csn, reason });
      return undefined;
    } catch (failure) {
      return asMemberError(link.memberId, failure);
    }
  }

  /**
   * Something is wrong with a member, says whoever noticed. One inquiry at a time for each member; resolves when it is
   * clear: 'alive' (go on with it) or 'deposed' (it is recorded inactive, and if it was the primary there is another).
   * Rejects when the node stops, or must.
   */
  trouble(id: string, error: MemberError, failedProbes = 0): Promise<Verdict> {
    if (this.#stopped.signal.aborted) return Promise.reject(nodeStops());
    if (error.blame === 'fenced') return Promise.reject(this.#fenced(error));
    const running = this.#troubles.get(id);
    if (running !== undefined) return running;
    if (this.membership.entry(id)?.state !== 'active' && id !== this.#primaryId)
      return Promise.resolve('deposed');
    const load = this.load(id);
    load.suspect = true;
    const inquiry = this.#inquire(id, error, failedProbes).finally(() => {
      this.#troubles.delete(id);
      load.suspect = false;
    });
    this.#troubles.set(id, inquiry);
    return inquiry;
  }

  /** As `trouble`, from where nobody waits for the verdict. */
  report(id: string, error: MemberError, failedProbes = 0): void {
    this.trouble(id, error, failedProbes).catch((failure: unknown) => {
      if (!this.#stopped.signal.aborted)
        this.world.raise({ type: 'internal-error', where: 'inquiry', error: messageOf(failure) });
    });
  }

  async #inquire(id: string, first: MemberError, failedProbes: number): Promise<Verdict> {
    // An order that cannot be carried out is evidence in itself; a broken connection is only a reason to ask.
    if (first.blame === 'unfit') {
      const out = (await this.#otherAnswers(id)) && (await this.#depose(id, first));
      if (out) return 'deposed';
      await this.#pauseAllSilent();
      this.#streams.get(id)?.goOn();
      return 'alive';
    }
    for (let failures = failedProbes; !this.#stopped.signal.aborted; ) {
      if (this.membership.entry(id)?.state !== 'active') {
        // Recorded, but its place as the primary could not be taken yet.
        if (id !== this.#primaryId || (await this.#depose(id, first))) return 'deposed';
        await this.#pauseAllSilent();
        continue;
      }
      const error = await this.#prober.ask(id);
      if (error === undefined) {
        this.#streams.get(id)?.goOn();
        return 'alive';
      }
      failures += 1;
      if (!isCertain(error) && failures < this.settings.probe.threshold) continue;
      if ((await this.#otherAnswers(id)) && (await this.#depose(id, error))) return 'deposed';
      // Nobody answers, or nobody else is there: that may be this machine's own network. Nobody is deactivated.
      await this.#pauseAllSilent();
    }
    throw nodeStops();
  }

  #pauseAllSilent(): Promise<void> {
    return pause(this.world.clock, allSilentPauseMs, this.#stopped.signal);
  }

  /** Another active member can do the work right now. */
  async #otherAnswers(id: string): Promise<boolean> {
    const others = this.membership.active.filter((other) => other !== id && !this.load(other).suspect);
    const answers = await Promise.all(others.map((other) => this.#prober.ask(other)));
    return answers.some((answer) => answer === undefined);
  }

  /** Records the member inactive and goes on without it. False: it could not be done. */
  async #depose(id: string, error: MemberError): Promise<boolean> {
    try {
      if (id === this.#primaryId) await this.#takeOver(id, error.message, 'failed');
      else await this.#removeReplica(id, error.message, 'failed');
      return true;
    } catch (failure) {
      const reason = `could not be taken out: ${messageOf(failure)}`;
      this.world.raise({ type: 'member-unfit', member: id, reason });
      return false;
    }
  }

  async #removeReplica(id: string, reason: string, event: 'failed' | 'operator-out'): Promise<void> {
    const change = await this.membership.change(id, event, reason);
    if (change === undefined) return;
    // It became the primary while this was recorded.
    if (id === this.#primaryId) return await this.#takeOver(id, reason, event);
    this.#streams.get(id)?.end();
    this.#streams.delete(id);
    this.world.raise({ type: 'member-deactivated', member: id, reason });
    this.order.acknowledge();
    for (const user of this.#users) user.abandon(id);
    this.#member(id).close();
    void this.#markMembers();
  }

  /**
   * The primary is lost, or taken out, and the replica that has applied most becomes the primary.
   *
   * 1. The gate closes; links to the old primary are abandoned, so that nothing more arrives from there.
   * 2. That it is inactive is recorded: from here on nothing may be acknowledged that only it has.
   * 3. Places still open are decided from what is in hand, and the successor is brought to the end of the order.
   * 4. The new primary reigns, the gate opens, sessions open new links.
   */
  #takeOver(from: string, reason: string, event: 'failed' | 'operator-out'): Promise<void> {
    return this.#inTurn(async () => {
      // While this waited for its turn the primary may have been moved: then it is a replica that is lost.
      if (from !== this.#primaryId) return await this.#removeReplica(from, reason, event);
      this.gate.close();
      try {
        for (const user of this.#users) user.abandon(from);
        const change = await this.membership.change(from, event, reason, { primary: this.#successor(from) });
        if (change !== undefined) this.world.raise({ type: 'member-deactivated', member: from, reason });
        for (const csn of this.order.primaryLost()) {
          const why = `member ${from} was lost before its write set was received`;
          this.world.raise({ type: 'commit-decided-dead', csn, reason: why });
        }
        let to: string;
        do {
          to = await this.#levelSuccessor(from);
          if (this.membership.primary !== to) await this.membership.movePrimary(to);
        } while (this.membership.entry(to)?.state !== 'active');
        this.#reign(from, to, reason);
      } finally {
        this.gate.reopen();
      }
    });
  }

  /** Those who fail on the way are inquired into by their own streams' reports, and end; another takes their place. */
  async #levelSuccessor(from: string): Promise<string> {
    for (;;) {
      const to = this.#successor(from);
      const stream = this.#streams.get(to);
      await stream?.drained();
      if (stream?.ended === false && stream.appliedCsn >= this.order.dispatched) return to;
      if (this.#stopped.signal.aborted) throw nodeStops();
    }
  }

  #reign(from: string, to: string, reason: string): void {
    this.#streams.get(to)?.end();
    this.#streams.delete(to);
    this.#primaryId = to;
    if (this.membership.entry(from)?.state !== 'active') this.#member(from).close();
    this.world.raise({ type: 'primary-switched', from, to, reason });
    this.order.acknowledge();
    void this.#markMembers();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changes.then(work);
    this.#changes = turn.catch(() => undefined);
    return turn;
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
    if (this.membership.entry(id)?.state !== 'active') throw notActive(id);
    await this.#withoutWriters(async (from) => {
      // The primary may have failed meanwhile, and this one taken over.
      if (id === from) return;
      const stream = this.#streams.get(id);
      if (stream === undefined || stream.ended) throw notActive(id);
      await stream.drained();
      if (stream.ended || stream.appliedCsn < this.order.dispatched) throw busy();
      await this.membership.movePrimary(id);
      this.#reign(from, id, 'an operator moved it');
      await this.#openStream(from).catch((error: unknown) => this.report(from, asMemberError(from, error)));
    });
  }

  async deactivate(id: string, reason: string): Promise<void> {
    this.#known(id);
    if (id === this.#primaryId && this.membership.active.length > 1) {
      await this.#withoutWriters(() => Promise.resolve());
      await this.#takeOver(id, reason, 'operator-out');
    } else await this.#removeReplica(id, reason, 'operator-out');
  }

  /**
   * Brings a member back that is provably level: its log ends where the order ends, while nothing can be added.
   * Transactions go on meanwhile; only their commits wait.
   */
  async activate(id: string): Promise<void> {
    this.#known(id);
    if (this.membership.entry(id)?.state === 'active') return;
    const member = this.#member(id);
    this.commitGate.close();
    try {
      await this.#settled(() => this.order.waiting > 0);
      const endCsn = this.order.lastOpened;
      const { term } = await this.#proveLevel(member);
      if (term < this.term) await member.raiseTerm(this.term);
      const stream = this.#makeStream(id);
      await stream.open();
      await this.membership.change(id, 'operator-in', 'proven level');
      // A crash before the next line is harmless: a member that lacks commits is given them at the start.
      if (this.order.lastOpened !== endCsn || this.order.waiting > 0) {
        stream.end();
        await this.membership.change(id, 'failed', 'commits came in while it was examined');
        throw busy();
      }
      this.#streams.set(id, stream);
    } finally {
      this.commitGate.reopen();
    }
    const reason = 'its commit log ends where the cluster’s ends';
    this.world.raise({ type: 'member-activated', member: id, reason });
    await this.#markMembers();
  }

  async #proveLevel(member: Member): Promise<MemberReport> {
    const refuse = (why: string): never => {
      throw new LockstepError({
        code: 'cluster.not-level',
        message: `member ${member.id} is not provably level with the cluster: ${why}`,
        hint: 'It has to be synchronised first.',
      });
    };
    const report = await member.inspect();
    const { marks, term, lastCsn } = report;
    if (marks === undefined) return refuse('it has never been part of the cluster');
    if (marks.clusterId !== this.settings.clusterId) refuse(`it belongs to the cluster ${marks.clusterId}`);
    if (marks.memberId !== member.id) refuse(`it calls itself ${marks.memberId}`);
    if (marks.incomplete !== null) refuse(`its last synchronisation did not finish (${marks.incomplete})`);
    if (term > this.term) refuse(`it has seen term ${term}, this node has term ${this.term}`);
    const ours = (await this.primary.inspect()).lastCsn;
    if (lastCsn !== ours) refuse(`its log ends at CSN ${lastCsn}, the cluster's at ${ours}`);
    await this.#sameLog(member, ours, refuse);
    return report;
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

  /**
   * Runs work that moves the primary, while nothing is open there: transactions get `switchMs` to end, and what is open
   * then is abandoned and run again afterwards.
   */
  async #withoutWriters(work: (primary: string) => Promise<void>): Promise<void> {
    const { clock } = this.world;
    this.gate.close();
    try {
      const until = clock.monotonicMs() + this.settings.switchMs;
      while (clock.monotonicMs() < until && [...this.#users].some((user) => user.inTransaction)) {
        // A pause does not wait once the node stops, and nothing would ever end this loop.
        if (this.#stopped.signal.aborted) throw busy();
        await pause(clock, 5, this.#stopped.signal);
      }
      for (const user of this.#users) user.abandon(this.#primaryId);
      await this.#settled(() => this.order.undecided);
      // Nothing can be added: nobody has a link to the primary, and nobody gets one.
      await this.#inTurn(() => work(this.#primaryId));
    } finally {
      this.gate.reopen();
    }
  }

  /** Waits until something is over, but not for ever. */
  async #settled(goesOn: () => boolean): Promise<void> {
    const { clock } = this.world;
    const until = clock.monotonicMs() + this.settings.commitMs;
    while (goesOn()) {
      if (clock.monotonicMs() > until || this.#stopped.signal.aborted) throw busy();
      await pause(clock, 1);
    }
  }

  async #openStream(id: string): Promise<void> {
    const stream = this.#makeStream(id);
    this.#streams.set(id, stream);
    await stream.open();
  }

  /** Until the commits under way now are decided, but never long: an idle cluster does not wait at all. */
  #gather(): Promise<void> | undefined {
    const decided = this.order.decided(gatherPlacesMin);
    return decided === undefined ? undefined : Promise.race([decided, pause(this.world.clock, gatherMs)]);
  }

  #makeStream(id: string): ApplyStream {
    return new ApplyStream(this.#member(id), {
      clock: this.world.clock,
      term: this.term,
      startCsn: this.order.dispatched,
      batchMax: this.settings.applyBatch,
      batchBytesMax: 4 << 20,
      gather: () => this.#gather(),
      deadlineMs: this.settings.commitMs,
      onApplied: () => this.order.acknowledge(),
      onFailed: (error) => {
        this.world.raise({ type: 'member-unfit', member: id, reason: error.message });
        // A broken connection is a reason to ask; an order that cannot be carried out is evidence.
        const asked = error.blame === 'gone' || error.blame === 'fenced';
        this.report(id, asked ? error : new MemberError(id, 'unfit', error.message, error.sqlState));
      },
    });
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
    const upToCsn = this.order.lastOpened;
    await Promise.all(this.membership.active.map((id) => this.#member(id).dropSegment(slot, upToCsn)));
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

  /** Another node serves the cluster: this one ends. */
  #fenced(error: MemberError): MemberError {
    this.world.raise({ type: 'internal-error', where: 'term', error: error.message });
    this.#stopped.abort(error);
    return error;
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

/** No second opinion is needed: nobody listens there, or it says itself that it cannot be used. One broken connection proves nothing. */
function isCertain(error: MemberError): boolean {
  return error.blame === 'unfit' || error.sqlState === '57P03' || /ECONNREFUSED/.test(error.message);
}

function isDecided(ticket: Ticket): boolean {
  return ticket.fate === 'committed' || ticket.fate === 'dead' || ticket.fate === 'empty';
}

function asMemberError(id: string, error: unknown): MemberError {
  return error instanceof MemberError ? error : new MemberError(id, 'gone', messageOf(error));
}

function notActive(id: string): LockstepError {
  return new LockstepError({
    code: 'cluster.not-active',
    message: `member ${id} is not active and cannot become the primary`,
    hint: `First: lockstep member activate ${id}`,
  });
}

function busy(): LockstepError {
  return new LockstepError({
    code: 'cluster.busy',
    message: 'commits under way did not end in time',
    retryable: true,
    hint: 'Try again.',
  });
}

function nodeStops(): LockstepError {
  return new LockstepError({
    code: 'cluster.stopping',
    message: 'the node stops before it is clear what became of this',
    outcome: 'unknown',
    sqlState: '57P01',
    hint: 'Connect again later, and look.',
  });
}
