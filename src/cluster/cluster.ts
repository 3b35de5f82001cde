/**
 * The engine, joined from its parts: membership, commit order, apply streams, read router, probes, inquiries, the primary.
 * It knows members only through what it is handed.
 */

import { invariant, messageOf } from '../base/index.ts';
import { MemberError } from '../dialects/contract.ts';
import type { CommitRecord, Member, SessionLink } from '../dialects/contract.ts';
import type { ApplyStream } from './apply/apply-stream.ts';
import { ReplicaStreams } from './apply/replica-streams.ts';
import { asMemberError, nobodyIsLeft, nodeStops, notActive } from './cluster-errors.ts';
import { CommitBoundary } from './commits/commit-boundary.ts';
import { CommitOrder } from './commits/commit-order.ts';
import type { Ticket } from './commits/commit-order.ts';
import { LogRing } from './commits/log-ring.ts';
import { Gate } from './gate.ts';
import { Inquiries } from './membership/inquiries.ts';
import { unknownMember } from './membership/membership.ts';
import type { Membership } from './membership/membership.ts';
import { Prober } from './membership/prober.ts';
import { PrimaryMoves } from './primary-moves.ts';
import type { WayOut } from './primary-moves.ts';
import type { MemberLoad } from './reads/member-load.ts';
import type { ReadPlace } from './reads/read-place.ts';
import { ReadRouter } from './reads/read-router.ts';
import { AnswerWatch } from './sessions/answer-watch.ts';
import { Roster } from './roster.ts';
import { level } from './sync/level-positions.ts';
import { Reactivation } from './sync/reactivation.ts';
import type { SyncTools } from './sync/sync-parts.ts';
import { Sampling } from './verify/sampling.ts';
import { Verification } from './verify/verification.ts';
import type { ClusterMember, ClusterSettings, MemberUser, Verdict, World } from './world.ts';

export interface ClusterParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly members: readonly ClusterMember[];
  readonly membership: Membership;
  /** Without them members come back by replay alone. */
  readonly tools: SyncTools | undefined;
  readonly start: { readonly term: number; readonly lastCsn: number; readonly slot: number };
}

/** What a client's order to end sessions brings about shows within this time. */
const endingsMs = 5_000;

export class Cluster {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly order: CommitOrder;
  /** In front of the primary: closed while it changes. */
  readonly gate = new Gate();
  /** In front of the order: closed for the moment in which snapshots are opened. */
  readonly commitGate = new Gate();
  readonly #roster: Roster;
  readonly #streams: ReplicaStreams;
  readonly #router: ReadRouter;
  readonly #ring: LogRing;
  readonly #prober: Prober;
  readonly #answers: AnswerWatch;
  readonly #inquiries: Inquiries;
  readonly #primary: PrimaryMoves;
  readonly #users = new Set<MemberUser>();
  readonly #tools: SyncTools | undefined;
  /** How members come back. */
  readonly sync: Reactivation;
  readonly #sampling: Sampling;
  /** How members are proven equal. */
  readonly verification: Verification;
  readonly #stopped = new AbortController();
  #endingsUntilMs = -Infinity;
  /** The last place that left a record, which the primary has. */
  #lastCommitted = 0;

  constructor(parts: ClusterParts) {
    const { settings, world, members, membership, start } = parts;
    this.settings = settings;
    this.world = world;
    this.membership = membership;
    this.#tools = parts.tools;
    const roster = new Roster(members);
    this.#roster = roster;
    this.#router = new ReadRouter({ balancer: () => settings.balancer, random: world.random });
    this.#ring = new LogRing(
      { clock: world.clock, ...settings.log, empty: (slot) => this.#emptySegment(slot) },
      start.slot,
    );
    const order = new CommitOrder(
      {
        dispatch: (record) => this.#dispatch(record),
        passed: (csn) => this.#streams.pass(csn),
        appliedEverywhere: () => this.#streams.appliedEverywhere,
        releasable: () => this.#streams.releasable,
        slotFor: () => this.#ring.slot,
      },
      start,
    );
    this.order = order;
    const { signal: stopped } = this.#stopped;
    const report = (id: string, error: unknown): void => this.report(id, asMemberError(id, error));
    const streams = new ReplicaStreams({ settings, world, term: membership.term, order, onFailed: report });
    this.#streams = streams;
    this.#prober = new Prober({
      clock: world.clock,
      settings: () => settings.probe,
      clusterId: settings.clusterId,
      members: () => membership.active.map((id) => roster.member(id)),
      term: () => membership.term,
      confirmedCsn: (id) =>
        id === this.#primary.id ? this.#lastCommitted : (this.#streams.get(id)?.confirmedCsn ?? 0),
      lastOpened: () => order.lastOpened,
      onForeignWrite: (id) => {
        world.raise({ type: 'foreign-write-found', member: id });
        void this.verification.suspect();
      },
      onUnfit: (id, error) => this.report(id, error, 1),
      raise: world.raise,
    });
    this.#answers = new AnswerWatch({
      clock: world.clock,
      users: this.#users,
      member: (id) => roster.find(id),
      settings: () => ({
        afterMs: Math.min(settings.commitMs, settings.outageMs),
        everyMs: settings.probe.intervalMs,
        askMs: settings.probe.timeoutMs,
        outageMs: settings.outageMs,
      }),
    });
    const common = { settings, world, membership, roster, order, streams, stopped };
    invariant(membership.primary !== null, 'a cluster is made with a primary');
    this.#primary = new PrimaryMoves(
      {
        ...common,
        gate: this.gate,
        users: this.#users,
        report,
        follow: (id) => this.#follow(id),
        removeReplica: (id, reason, event) => this.#removeReplica(id, reason, event),
        markMembers: () => void this.#markMembers(),
      },
      membership.primary,
    );
    this.#inquiries = new Inquiries({
      ...common,
      prober: this.#prober,
      primaryId: () => this.#primary.id,
      takeOut: (id, error) => this.#takeOut(id, error),
    });
    const boundary = new CommitBoundary({ clock: world.clock, gate: this.commitGate, order });
    const primaryId = (): string => this.#primary.id;
    this.sync = new Reactivation({
      ...common,
      gate: this.gate,
      boundary,
      tools: parts.tools,
      primaryId,
      activated: (id, reason) => this.#activated(id, reason),
    });
    this.#sampling = new Sampling({
      ...common,
      data: parts.tools?.data,
      confirm: async (table) => {
        const { outcome } = await this.verification.run({ tables: [table], suspicion: true });
        return outcome === 'equal';
      },
    });
    this.verification = new Verification({
      ...common,
      boundary,
      data: parts.tools?.data,
      note: parts.tools?.note,
      primaryId,
      inTurn: (work) => this.sync.inTurn(work),
      turnWanted: () => this.sync.turnWanted,
      takeOut: (wrong) => this.takeOutDiffering(wrong),
    });
  }

  get primary(): Member {
    return this.#roster.member(this.#primary.id);
  }

  get term(): number {
    return this.membership.term;
  }

  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  member(id: string): Member | undefined {
    return this.#roster.find(id);
  }

  load(id: string): MemberLoad {
    return this.#roster.load(id);
  }

  streamOf(id: string): ApplyStream | undefined {
    return this.#streams.get(id);
  }

  /** Opens the streams to the replicas and begins to watch. Clients may come when it has resolved. */
  async open(): Promise<void> {
    for (const id of this.membership.active) {
      // Whoever was lost while the others were opened is no replica any more, and one of them may be the primary now.
      if (id === this.#primary.id || this.membership.entry(id)?.state !== 'active') continue;
      await this.#follow(id).catch((failure: unknown) => {
        const error = asMemberError(id, failure);
        return this.trouble(error.memberId, error);
      });
    }
    await this.#markMembers();
    this.#prober.start();
    this.#answers.start();
    this.sync.start();
    await this.verification.start();
    this.#sampling.start();
  }

  /** Nobody commits meanwhile: an active member is a replica from here on, whatever numbers it handed out before. */
  async #follow(id: string): Promise<void> {
    const member = this.#roster.member(id);
    await this.#streams.open(member);
    if (this.#tools === undefined) return;
    const { commitMs: ms } = this.settings;
    await level(this.#tools, this.world.clock, { member, source: this.primary, term: this.term, ms });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#prober.stop();
    this.#answers.stop();
    this.#sampling.stop();
    await Promise.all([this.sync.stop(), this.verification.stop()]);
    await this.#streams.stop();
    for (const member of this.#roster.all) member.close();
  }

  register(user: MemberUser): () => void {
    this.#users.add(user);
    return () => this.#users.delete(user);
  }

  /** A client asks the primary to end sessions. One that is ended there from now on is not carried on elsewhere. */
  expectEndings(): void {
    this.#endingsUntilMs = this.world.clock.monotonicMs() + endingsMs;
  }

  get endingsExpected(): boolean {
    return this.world.clock.monotonicMs() < this.#endingsUntilMs;
  }

  /** The member for a session's next read. Undefined: the primary. */
  chooseReader(place: ReadPlace, tried: ReadonlySet<string>): MemberLoad | undefined {
    const readers: MemberLoad[] = [];
    for (const id of this.membership.active) {
      const load = this.load(id);
      if (load.suspect) continue;
      if (id === this.#primary.id) {
        load.appliedCsn = Infinity;
      } else {
        const stream = this.#streams.get(id);
        if (stream === undefined || stream.ended) continue;
        load.appliedCsn = stream.appliedCsn;
      }
      readers.push(load);
    }
    return this.#router.choose(readers, place, tried);
  }

  /** What endangers a member's data, one sentence for each. */
  risksOf(id: string): readonly string[] {
    return this.#prober.dangersOf(id).map(({ text }) => text);
  }

  /** The highest CSN that a read just answered by this member may have shown. */
  visibleCsn(memberId: string): number {
    if (memberId === this.#primary.id) return this.order.lastOpened;
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
    const member = this.#roster.member(link.memberId);
    try {
      const found = await member.settle(ticket.csn, link);
      const known = found === 'absent' || ticket.fate !== 'open' ? null : await member.log.read(ticket.csn);
      // It may have been decided while we asked.
      if (isDecided(ticket)) {
        known?.release();
        return undefined;
      }
      if (found === 'committed') {
        // Or it has arrived after all: then this one is let go of.
        this.order.received(ticket, known);
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
    return this.#inquiries.open(id, error, failedProbes);
  }

  /** As `trouble`, from where nobody waits for the verdict. */
  report(id: string, error: MemberError, failedProbes = 0): void {
    this.trouble(id, error, failedProbes).catch((failure: unknown) => {
      if (!this.#stopped.signal.aborted)
        this.world.raise({ type: 'internal-error', where: 'inquiry', error: messageOf(failure) });
    });
  }

  #takeOut(id: string, { message, blame }: MemberError): Promise<void> {
    return id === this.#primary.id
      ? this.#primary.takeOver(id, message, 'failed')
      : this.#removeReplica(id, message, 'failed', blame === 'diverged');
  }

  /**
   * They come back by comparing, not by what they missed; that is recorded of all of them before anything else. The primary hands
   * over to a member that is right, as on an operator's word.
   */
  async takeOutDiffering(wrong: ReadonlyMap<string, string>): Promise<void> {
    const heir = this.membership.active.find((id) => !wrong.has(id));
    if (heir === undefined) throw nobodyIsLeft([...wrong.keys()]);
    for (const id of wrong.keys()) await this.membership.accuse(id);
    const reason = wrong.get(this.#primary.id);
    if (reason !== undefined)
      await this.#primary.switchTo(heir, reason).catch((error: unknown) => this.#noHandover(error));
    for (const [id, why] of wrong) await this.#takeOut(id, new MemberError(id, 'diverged', why));
  }

  /** It is taken out all the same, and a successor is found as when it is lost. */
  #noHandover(error: unknown): void {
    this.world.raise({ type: 'internal-error', where: 'handover', error: messageOf(error) });
  }

  async #removeReplica(id: string, reason: string, event: WayOut, differs = false): Promise<void> {
    const wholeUpToCsn = this.#streams.get(id)?.confirmedCsn ?? 0;
    const change = await this.membership.change(id, event, reason, { wholeUpToCsn, differs });
    if (change === undefined) return;
    // It became the primary while this was recorded.
    if (id === this.#primary.id) return await this.#primary.takeOver(id, reason, event);
    this.#streams.end(id);
    this.world.raise({ type: 'member-deactivated', member: id, reason });
    this.order.acknowledge();
    for (const user of this.#users) user.abandon(id);
    this.#roster.member(id).close();
    void this.#markMembers();
  }

  /** Another member, inactive until it has been brought level. It is recorded when this resolves. */
  async addMember(added: ClusterMember): Promise<void> {
    const { member, url } = added;
    await this.membership.admit({ id: member.id, url }, () => this.#roster.add(added));
    this.world.raise({ type: 'member-added', member: member.id, url });
  }

  /**
   * Takes a member out for good: it is taken out, recorded as leaving, taken out of the configuration by `configure`, and
   * forgotten. Whatever ends this in between leaves a member that is held, and the same call goes on from there.
   */
  async removeMember(id: string, configure: () => Promise<void>): Promise<void> {
    this.#known(id);
    const reason = 'an operator removes it';
    await this.sync.cancel(id, reason);
    if (this.membership.entry(id)?.state === 'active') await this.deactivate(id, reason);
    await this.membership.leave(id);
    await this.sync.cancel(id, reason);
    await configure();
    await this.membership.forget(id);
    this.#roster.remove(id);
    this.world.raise({ type: 'member-removed', member: id, reason: 'an operator removed it' });
  }

  async #activated(id: string, reason: string): Promise<void> {
    if (this.membership.entry(id)?.state === 'active')
      this.world.raise({ type: 'member-activated', member: id, reason });
    await this.#markMembers();
  }

  async switchPrimary(id: string): Promise<void> {
    this.#known(id);
    if (id === this.#primary.id) return;
    if (this.membership.entry(id)?.state !== 'active') throw notActive(id);
    await this.#primary.switchTo(id, 'an operator moved it');
  }

  async deactivate(id: string, reason: string): Promise<void> {
    this.#known(id);
    await this.sync.cancel(id, reason);
    if (id === this.#primary.id && this.membership.active.length > 1) {
      await this.#primary.withoutWriters(() => Promise.resolve());
      await this.#primary.takeOver(id, reason, 'operator-out');
    } else await this.#removeReplica(id, reason, 'operator-out');
  }

  /** Brings a member back, held or not: it is brought level in the cheapest way that is enough. */
  async activate(id: string): Promise<void> {
    this.#known(id);
    if (this.membership.entry(id)?.state === 'active') return;
    await this.sync.run(id, {});
  }

  #dispatch(record: CommitRecord): void {
    this.#ring.note(record.writeSet?.bytes ?? 0);
    if (record.writeSet !== null) this.#lastCommitted = record.csn;
    this.membership.noteCsn(record.csn);
    this.#streams.push(record);
  }

  async #emptySegment(slot: number): Promise<void> {
    // Until every replica has a record, it may be the log of the primary alone that has it.
    const upToCsn = Math.min(this.order.dispatched, this.#streams.appliedEverywhere);
    await Promise.all(this.membership.active.map((id) => this.#roster.member(id).dropSegment(slot, upToCsn)));
  }

  /** The second witness of who is active. The state file is the first, so a mark that fails stops nothing. */
  async #markMembers(): Promise<void> {
    const { version, active } = this.membership;
    await Promise.all(
      active.map((id) =>
        this.#roster
          .member(id)
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
    if (this.#roster.find(id) === undefined) throw unknownMember(id, this.membership.members);
  }
}

function isDecided(ticket: Ticket): boolean {
  return ticket.fate === 'committed' || ticket.fate === 'dead' || ticket.fate === 'empty';
}
