/** The engine's synchronisation in the words of the operator's commands. */

import { LockstepError, systemClock } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type {
  JobControl,
  RepairReport,
  SyncReport,
  SyncRequest,
  SyncStatus,
  VerificationStatus,
  VerifyReport,
  VerifyRequest,
  WorkProgress,
} from '../admin/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { SyncEngine } from './sync-engine.ts';

type Sync = Cluster['sync'];
type Outcome = Awaited<ReturnType<Sync['run']>>;
type Measured = NonNullable<NonNullable<ReturnType<Sync['statusOf']>>['progress']>;

export class EngineSync implements SyncEngine {
  readonly verification: VerificationStatus = {
    at: null,
    outcome: null,
    reason: null,
    nextAt: null,
    tables: [],
  };
  readonly #cluster: Cluster;
  readonly #clock: Clock;

  constructor(cluster: Cluster, clock: Clock = systemClock) {
    this.#cluster = cluster;
    this.#clock = clock;
  }

  async sync(id: string, request: SyncRequest, control: JobControl): Promise<SyncReport> {
    const { maxRate, ...rest } = request;
    const since = this.#clock.monotonicMs();
    const outcome = await this.#cluster.sync.run(
      id,
      { ...rest, ...(maxRate !== undefined && { maxBytesPerSecond: maxRate }) },
      { signal: control.signal, progress: (progress) => control.progress(progressOf(progress)) },
    );
    return reportOf(id, outcome, Math.round(this.#clock.monotonicMs() - since));
  }

  cancel(id: string): Promise<boolean> {
    return this.#cluster.sync.cancel(id, 'an operator stopped it');
  }

  statusOf(id: string): SyncStatus | null {
    const status = this.#cluster.sync.statusOf(id);
    if (status === undefined) return null;
    const { strategy, reason, source, startedAt, nextRetryMs, progress, ...rest } = status;
    return {
      ...rest,
      strategy: strategy ?? null,
      reason: reason ?? null,
      source: source ?? null,
      startedAt: startedAt ?? null,
      nextRetryAt:
        nextRetryMs === undefined
          ? null
          : new Date(this.#clock.wallTime().getTime() + nextRetryMs).toISOString(),
      progress: progress === undefined ? null : progressOf(progress),
    };
  }

  verify(_request: VerifyRequest, _control: JobControl): Promise<VerifyReport> {
    return Promise.reject(
      new LockstepError({ code: 'node.not-yet', message: 'this version does not verify members yet' }),
    );
  }

  async repair(id: string | undefined, control: JobControl): Promise<RepairReport> {
    const { membership } = this.#cluster;
    const wrong = membership.members.filter(({ differs }) => differs === true).map((member) => member.id);
    const members: SyncReport[] = [];
    for (const member of id === undefined ? wrong : [id]) {
      if (membership.entry(member)?.state === 'active')
        await this.#cluster.deactivate(member, 'an operator has it repaired');
      members.push(await this.sync(member, { strategy: 'diff' }, control));
    }
    return { members };
  }
}

function reportOf(member: string, outcome: Outcome, tookMs: number): SyncReport {
  const { source, keptFile, ...rest } = outcome;
  return { ...rest, member, source: source ?? null, keptFile: keptFile ?? null, tookMs };
}

function progressOf(progress: Measured): WorkProgress {
  const { table, leftMs, lagCsn, rowsPerSecond, bytesPerSecond, ...rest } = progress;
  return {
    ...rest,
    table: table ?? null,
    rowsPerSecond: Math.round(rowsPerSecond),
    bytesPerSecond: Math.round(bytesPerSecond),
    leftMs: leftMs === undefined ? null : Math.round(leftMs),
    lagCsn: lagCsn ?? null,
  };
}
