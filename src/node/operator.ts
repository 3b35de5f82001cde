/** What an operator asks of a running node, carried out by the engine. */

import { LockstepError, messageOf, systemClock } from '../base/index.ts';
import { Jobs } from '../admin/index.ts';
import type {
  Authority,
  Candidate,
  ClusterStatus,
  CommandResult,
  EventFilter,
  Insight,
  JobStatus,
  Listeners,
  MemberChange,
  MemberStatus,
  NewMember,
  Operations,
  OptionChange,
  Readiness,
  ReloadResult,
  SyncRequest,
  RepairRequest,
  VerificationReport,
  VerifyRequest,
} from '../admin/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Config, MemberConfig } from '../config/index.ts';
import type { BuiltMembers } from './build-members.ts';
import type { ConfigWatch } from './config-watch.ts';
import type { ClientPause } from './client-pause.ts';
import type { ClientSessions } from './client-sessions.ts';
import { freeMember, MemberChanges } from './member-changes.ts';
import { NodeSettings } from './node-settings.ts';
import type { SyncEngine } from './sync-engine.ts';

export interface OperatorParts {
  readonly config: Config;
  readonly cluster: Cluster;
  readonly built: BuiltMembers;
  readonly sync: SyncEngine;
  readonly insight: Insight;
  readonly sessions: ClientSessions;
  readonly pause: ClientPause;
  readonly watch: ConfigWatch;
  /** Where clients are served. */
  address(): string;
  clients(): number;
  /** Of the database product, as the member last said it. */
  versionOf(id: string): string | undefined;
  /** Reads the configuration file again. */
  reload(): Promise<ReloadResult>;
  /** Resolves when the schema as it is now is known. */
  loadCatalog(): Promise<void>;
}

export class Operator implements Operations {
  readonly #parts: OperatorParts;
  readonly #changes: MemberChanges;
  readonly #settings: NodeSettings;
  readonly #jobs = new Jobs(systemClock);
  readonly #startedMs = systemClock.monotonicMs();

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#changes = new MemberChanges(parts);
    this.#settings = new NodeSettings({
      ...parts,
      primaryId: () => parts.cluster.primary.id,
      reload: () => parts.reload(),
      address: () => parts.address(),
    });
  }

  status(): Promise<ClusterStatus> {
    const { cluster, config, built, sync } = this.#parts;
    const { membership, order } = cluster;
    return Promise.resolve({
      cluster: config.cluster,
      role: 'master',
      term: cluster.term,
      version: membership.version,
      csn: order.dispatched,
      primary: cluster.primary.id,
      listen: [`postgres://${this.#parts.address()}`],
      uptimeMs: Math.round(systemClock.monotonicMs() - this.#startedMs),
      paused: this.#parts.pause.on,
      clients: this.#parts.clients(),
      members: built.members.map((member) => this.#statusOf(member.config)),
      verification: sync.verification,
      file: this.#parts.watch.now,
    });
  }

  /** Whether clients get anything from this node right now. */
  readiness(): Readiness {
    const { cluster } = this.#parts;
    const paused = this.#parts.pause.on;
    // One under inquiry is being asked whether it still answers.
    const fit = cluster.stopped.aborted
      ? []
      : cluster.membership.active.filter((id) => !cluster.load(id).suspect);
    const writes = !paused && cluster.gate.open && fit.includes(cluster.primary.id);
    return { role: 'master', writes, reads: !paused && fit.length > 0 };
  }

  #statusOf({ id, url, weight }: MemberConfig): MemberStatus {
    const { cluster, sync } = this.#parts;
    const { membership } = cluster;
    const entry = membership.entry(id);
    const active = entry?.state === 'active';
    const primary = id === cluster.primary.id && active;
    const load = cluster.load(id);
    const appliedCsn = this.#appliedCsn(id);
    return {
      id,
      url,
      weight,
      active,
      state: entry?.state ?? 'new',
      role: primary ? 'primary' : active ? 'replica' : 'none',
      reason: active ? null : (entry?.reason ?? null),
      since: entry?.since ?? '',
      load: load.inFlight,
      latencyMs: load.requests === 0 ? null : Math.round(load.latencyMs * 1000) / 1000,
      appliedCsn,
      lagCsn: this.lagOf(id),
      version: this.#parts.versionOf(id) ?? null,
      risks: cluster.risksOf(id),
      sync: sync.statusOf(id),
    };
  }

  #appliedCsn(id: string): number | null {
    const { cluster } = this.#parts;
    const primary = id === cluster.primary.id && cluster.membership.entry(id)?.state === 'active';
    return primary ? cluster.order.dispatched : (cluster.streamOf(id)?.appliedCsn ?? null);
  }

  /** Commits that an active member has not applied yet. */
  lagOf(id: string): number | null {
    const { membership, order } = this.#parts.cluster;
    const appliedCsn = membership.entry(id)?.state === 'active' ? this.#appliedCsn(id) : null;
    return appliedCsn === null ? null : Math.max(0, order.dispatched - appliedCsn);
  }

  async activateMember(id: string): Promise<CommandResult> {
    const { cluster } = this.#parts;
    const before = cluster.membership.entry(id)?.state;
    await cluster.moves.activate(id);
    await this.#parts.loadCatalog();
    return {
      changed: before !== 'active',
      message: before === 'active' ? `Member ${id} is active already.` : `Member ${id} is active.`,
    };
  }

  async deactivateMember(id: string, reason = 'an operator took it out'): Promise<CommandResult> {
    const { cluster } = this.#parts;
    const before = cluster.membership.entry(id)?.state;
    await cluster.moves.deactivate(id, reason);
    return {
      changed: before !== 'held',
      message:
        before === 'held'
          ? `Member ${id} is held inactive already.`
          : `Member ${id} is inactive and stays so until it is activated.`,
    };
  }

  async switchPrimary(id: string): Promise<CommandResult> {
    const { cluster } = this.#parts;
    const before = cluster.primary.id;
    await cluster.moves.switchPrimary(id);
    await this.#parts.loadCatalog();
    return {
      changed: before !== id,
      message:
        before === id
          ? `Member ${id} is the primary already.`
          : `Member ${id} is the primary; ${before} was it before.`,
    };
  }

  async syncMember(id: string, request: SyncRequest = {}): Promise<JobStatus> {
    const { cluster, sync } = this.#parts;
    this.#known(id);
    if (cluster.membership.entry(id)?.state === 'active') {
      throw new LockstepError({
        code: 'cluster.member-active',
        message: `member ${id} is active: it has every commit`,
        hint: `To prove that it is equal: lockstep verify. To bring it level from the ground up: lockstep member deactivate ${id}, then this again.`,
      });
    }
    return this.#jobs.start('sync', id, async (control) => {
      const report = await sync.sync(id, request, control);
      if (!report.dryRun) await this.#parts.loadCatalog();
      return report;
    });
  }

  async cancelSync(id: string): Promise<CommandResult> {
    const { cluster, sync } = this.#parts;
    this.#known(id);
    this.#jobs.cancelOf(id);
    const stopped = await sync.cancel(id);
    const state = cluster.membership.entry(id)?.state;
    if (state === 'active') {
      return { changed: false, message: `Member ${id} is active: nothing brings it level.` };
    }
    if (state !== 'held') await cluster.moves.deactivate(id, 'an operator stopped its synchronisation');
    return {
      changed: stopped || state !== 'held',
      message: `${stopped ? 'It was stopped.' : 'Nothing was under way.'} Member ${id} is held inactive; to begin again: lockstep sync ${id}`,
    };
  }

  verify(request: VerifyRequest = {}): Promise<JobStatus> {
    const { sync } = this.#parts;
    return Promise.resolve(this.#jobs.start('verify', null, (control) => sync.verify(request, control)));
  }

  verification(): Promise<VerificationReport | null> {
    return Promise.resolve(this.#parts.sync.lastVerification);
  }

  async repair(request: RepairRequest = {}): Promise<JobStatus> {
    const { sync } = this.#parts;
    const { member } = request;
    if (member !== undefined) this.#known(member);
    return this.#jobs.start('repair', member ?? null, async (control) => {
      const report = await sync.repair(request, control);
      if (request.dryRun !== true) await this.#parts.loadCatalog();
      return report;
    });
  }

  async addMember(member: NewMember, by: Authority): Promise<CommandResult> {
    await this.#changes.add(member, by);
    await this.#parts.watch.take();
    return { changed: true, message: `Member ${member.id} is added, and is brought level next.` };
  }

  async removeMember(id: string, { free = false } = {}): Promise<CommandResult> {
    this.#known(id);
    const left = await this.#changes.remove(id, () => this.#parts.sync.cancel(id));
    await this.#parts.watch.take();
    const removed = `Member ${id} is no longer part of cluster ${this.#parts.config.cluster}.`;
    if (!free) return { changed: true, message: `${removed} Its data are as they were.` };
    const freed = await freeMember(left).catch(
      (error: unknown) =>
        `It could not be made an ordinary database, and refuses writes that do not come from Lockstep: ${messageOf(error)}. Enter it under “Add a database” when that is mended: there it can be made one.`,
    );
    return { changed: true, message: `${removed} ${freed}` };
  }

  async restoreMembers(): Promise<CommandResult> {
    const restored = await this.#settings.restoreMembers();
    return {
      changed: restored.length > 0,
      message:
        restored.length === 0
          ? 'The file lacks no member.'
          : `${restored.join(', ')} put back into the file.`,
    };
  }

  async freeDatabase(candidate: Candidate, by: Authority): Promise<CommandResult> {
    this.#settings.check(candidate, by);
    return await this.#changes.free(await this.#settings.candidate(candidate));
  }

  jobs(): Promise<readonly JobStatus[]> {
    return Promise.resolve(this.#jobs.list());
  }

  async cancelJob(id: number): Promise<CommandResult> {
    const asked = this.#jobs.cancel(id);
    return {
      changed: asked,
      message: asked ? `Job ${id} is asked to end.` : `Job ${id} has ended already.`,
    };
  }

  reload(): Promise<ReloadResult> {
    return this.#parts.reload();
  }

  config(): ReturnType<Operations['config']> {
    return this.#settings.show();
  }

  changeConfig(changes: readonly OptionChange[], by: Authority): ReturnType<Operations['changeConfig']> {
    return this.#settings.change(changes, by);
  }

  editMember(id: string, change: MemberChange, by: Authority): ReturnType<Operations['editMember']> {
    return this.#settings.editMember(id, change, by);
  }

  preflight(candidate: Candidate, by: Authority): ReturnType<Operations['preflight']> {
    return this.#settings.preflight(candidate, by);
  }

  pause(): Promise<CommandResult> {
    return this.#parts.pause.pause();
  }

  resume(): Promise<CommandResult> {
    return this.#parts.pause.resume();
  }

  cancelSession(id: number): Promise<CommandResult> {
    return this.#parts.sessions.cancel(id);
  }

  events(filter?: EventFilter): ReturnType<Insight['events']> {
    return this.#parts.insight.events(filter);
  }

  traffic(): ReturnType<Insight['traffic']> {
    return this.#parts.insight.traffic();
  }

  sessions(): ReturnType<Insight['sessions']> {
    return this.#parts.insight.sessions();
  }

  watch(listeners: Listeners): () => void {
    return this.#parts.insight.watch(listeners);
  }

  /** The node stops. */
  close(): void {
    this.#jobs.cancelAll();
  }

  #known(id: string): void {
    const ids = this.#parts.built.members.map(({ config }) => config.id);
    if (ids.includes(id)) return;
    throw new LockstepError({
      code: 'cluster.unknown-member',
      message: `there is no member ${id}`,
      hint: `Members are: ${ids.join(', ')}`,
    });
  }
}
