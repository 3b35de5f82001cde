/**
 * The engine, joined from its parts: membership, commit order, apply streams, read router, probes, inquiries, the primary.
 * It knows members only through what it is handed.
 */

import { invariant, messageOf } from '../base/index.ts';
import { MemberError } from '../dialects/contract.ts';
import type { CommitRecord, Member, SessionLink, WriteSet } from '../dialects/contract.ts';
import type { ApplyStream } from './apply/apply-stream.ts';
import { RefusedRecords } from './apply/refused-records.ts';
import { ReplicaStreams } from './apply/replica-streams.ts';
import type { Trial } from './apply/trial.ts';
import { asMemberError, nodeStops } from './cluster-errors.ts';
import { CommitBoundary } from './commits/commit-boundary.ts';
import { CommitOrder } from './commits/commit-order.ts';
import type { Ticket } from './commits/commit-order.ts';
import { LogRing } from './commits/log-ring.ts';
import { Gate } from './gate.ts';
import { MemberMoves } from './member-moves.ts';
import { Inquiries } from './membership/inquiries.ts';
import type { Membership } from './membership/membership.ts';
import { Prober } from './membership/prober.ts';
import { PrimaryMoves } from './primary-moves.ts';
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
  readonly gate: Gate;
  /** In front of the order: closed for the moment in which snapshots are opened. */
  readonly commitGate: Gate;
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
  /** How members are taken out, come and go. */
  readonly moves: MemberMoves;
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
    const nowMs = (): number => world.clock.monotonicMs();
    this.gate = new Gate(nowMs);
    this.commitGate = new Gate(nowMs);
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
    const refused = new RefusedRecords({
      world,
      stopped,
      counting: () => this.#streams.counting,
      doubt: (csn) => order.doubt(csn),
      trust: (csn) => order.trust(csn),
      onFailed: report,
      primaryIsLost: () => membership.entry(this.#primary.id)?.state !== 'active',
      primaryAnswers: async () => (await this.#prober.ask(this.#primary.id)) === undefined,
      takeOut: (csn, errors) => this.moves.takeOutRefusing(csn, errors),
      revoke: (csn, errors) => this.moves.revoke(csn, errors),
    });
    const streams = new ReplicaStreams({
      settings,
      world,
      term: membership.term,
      order,
      onFailed: report,
      onRefused: (id, csn, error) => refused.note(id, csn, error),
    });
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
      primaryId: () => this.#primary.id,
      settings: () => ({
        afterMs: Math.min(settings.commitMs, settings.outageMs),
        everyMs: settings.probe.intervalMs,
        askMs: settings.probe.timeoutMs,
        outageMs: settings.outageMs,
      }),
    });
    const isContested = (id: string): boolean => this.verification.isContested(id);
    const common = { settings, world, membership, roster, order, streams, stopped, isContested };
    this.moves = new MemberMoves({
      ...common,
      users: this.#users,
      primary: () => this.#primary,
      sync: () => this.sync,
    });
    invariant(membership.primary !== null, 'a cluster is made with a primary');
    this.#primary = new PrimaryMoves(
      {
        ...common,
        gate: this.gate,
        users: this.#users,
        report,
        follow: (id) => this.#follow(id),
        removeReplica: (id, reason, event) => this.moves.removeReplica(id, reason, event),
        markMembers: () => void this.moves.markMembers(),
        reigns: (id) => void this.verification.primaryMoved(id),
      },
      membership.primary,
    );
    this.#inquiries = new Inquiries({
      ...common,
      prober: this.#prober,
      primaryId: () => this.#primary.id,
      takeOut: (id, error) => this.moves.takeOut(id, error),
    });
    const boundary = new CommitBoundary({ clock: world.clock, gate: this.commitGate, order });
    const primaryId = (): string => this.#primary.id;
    this.sync = new Reactivation({
      ...common,
      gate: this.gate,
      boundary,
      tools: parts.tools,
      primaryId,
      activated: (id, reason) => this.moves.activated(id, reason),
      compared: (id) => this.verification.settled(id),
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
      takeOut: (wrong) => this.moves.takeOutDiffering(wrong),
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

  /** Gives all replicas what the primary is about to commit. `primaryMs`: how long the primary took for it. */
  tryOut(writeSet: WriteSet, primaryMs: number): Promise<Trial> {
    return this.#streams.tryOut(writeSet, primaryMs);
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
    await this.moves.markMembers();
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
      if (load.suspect || this.verification.isContested(id)) continue;
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
      // Whatever has arrived here: COMMIT itself may have added to the record.
      const known = found === 'absent' ? null : await member.log.read(ticket.csn);
      // It may have been decided while we asked.
      if (isDecided(ticket)) {
        known?.release();
        return undefined;
      }
      if (found === 'committed') {
        this.order.incomplete(ticket);
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

  /** Another node serves the cluster: this one ends. */
  #fenced(error: MemberError): MemberError {
    this.world.raise({ type: 'internal-error', where: 'term', error: error.message });
    this.#stopped.abort(error);
    return error;
  }
}

function isDecided(ticket: Ticket): boolean {
  return ticket.fate === 'committed' || ticket.fate === 'dead' || ticket.fate === 'empty';
}
