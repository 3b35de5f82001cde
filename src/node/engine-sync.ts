/** The engine's synchronisation in the words of the operator's commands. */

import { systemClock } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type {
  JobControl,
  RepairReport,
  SyncReport,
  SyncRequest,
  SyncStatus,
  VerificationReport,
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
      nextRetryAt: nextRetryMs === undefined ? null : this.#inMs(nextRetryMs),
      progress: progress === undefined ? null : progressOf(progress),
    };
  }

  async verify({ tables, rate }: VerifyRequest, control: JobControl): Promise<VerifyReport> {
    const since = this.#clock.monotonicMs();
    const { differences, settled, ...verified } = await this.#cluster.verification.run(
      { ...(tables !== undefined && { tables }), ...(rate !== undefined && { maxBytesPerSecond: rate }) },
      { signal: control.signal, progress: (progress) => control.progress(progressOf(progress)) },
    );
    const { outcome, reason, csn, members, heldMs } = verified;
    return {
      outcome,
      members,
      reason: reason ?? null,
      csn: csn ?? null,
      tables: verified.tables.length,
      rows: verified.tables.reduce((sum, { rows }) => sum + rows, 0),
      differences: [...differences].map(([member, difference]) => ({
        member,
        ...difference,
        tables: difference.tables.map(({ table, missing, extra, samples, atLeast }) => {
          return { table, missing, extra, samples, atLeast };
        }),
      })),
      settled: [...settled].flatMap(([member, lines]) => lines.map((text) => ({ member, text }))),
      heldMs: Math.round(heldMs),
      tookMs: Math.round(this.#clock.monotonicMs() - since),
    };
  }

  get verification(): VerificationStatus {
    const { last, tables, dueInMs } = this.#cluster.verification;
    return {
      at: last?.at ?? null,
      outcome: last?.outcome ?? null,
      reason: last?.reason ?? null,
      nextAt: dueInMs === undefined ? null : this.#inMs(dueInMs),
      tables: [...tables].map(([table, verdict]) => ({ table, ...verdict })),
    };
  }

  get lastVerification(): VerificationReport | null {
    const { last } = this.#cluster.verification;
    if (last === undefined) return null;
    return {
      ...last,
      tables: last.tables.map(({ table, rows, outcome, members, rowsApart: differences }) => {
        return { table, rows, outcome, members, differences };
      }),
    };
  }

  #inMs(ms: number): string {
    return new Date(this.#clock.wallTime().getTime() + ms).toISOString();
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
  const { table, leftMs, lagCsn, ofTable, rowsPerSecond, bytesPerSecond, ...rest } = progress;
  return {
    ...rest,
    table: table ?? null,
    rowsPerSecond: Math.round(rowsPerSecond),
    bytesPerSecond: Math.round(bytesPerSecond),
    leftMs: rounded(leftMs),
    ofTable: ofTable === undefined ? null : { ...ofTable, leftMs: rounded(ofTable.leftMs) },
    lagCsn: lagCsn ?? null,
  };
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms);
}
