/** The engine's synchronisation in the words of the operator's commands. */

import { systemClock } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type {
  JobControl,
  MemberDifference,
  RepairReport,
  RepairRequest,
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
type Verified = Awaited<ReturnType<Cluster['verification']['run']>>;
type Difference = Verified['differences'] extends ReadonlyMap<string, infer One> ? One : never;
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
    const { differences, contested, settled, ...verified } = await this.#cluster.verification.run(
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
      differences: [...differences].map(shownDifference),
      contested: [...contested].map(shownDifference),
      settled: [...settled].flatMap(([member, lines]) => lines.map((text) => ({ member, text }))),
      heldMs: Math.round(heldMs),
      tookMs: Math.round(this.#clock.monotonicMs() - since),
    };
  }

  get verification(): VerificationStatus {
    const { contest, last, tables, dueInMs } = this.#cluster.verification;
    return {
      contest: contest ?? null,
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

  /** Whoever is repaired is recorded as differing first: whatever ends this in between, it does not come back by what it missed. */
  async repair({ member, dryRun = false }: RepairRequest, control: JobControl): Promise<RepairReport> {
    const { membership, verification } = this.#cluster;
    const known = membership.members.filter(({ differs }) => differs === true).map(({ id }) => id);
    const watched = [...(await verification.restoreCapture(dryRun))].map(([id, tables]) => ({
      member: id,
      tables,
    }));
    const wrong = new Set(member === undefined ? known : [member]);
    // What was written while nobody watched has reached nobody else.
    const tables = [...new Set(watched.flatMap((one) => one.tables))];
    if (member === undefined && tables.length > 0 && !dryRun) {
      const { differences } = await verification.run({ tables }, { signal: control.signal });
      for (const id of differences.keys()) wrong.add(id);
    }
    const members: SyncReport[] = [];
    for (const id of wrong) {
      const isActive = membership.entry(id)?.state === 'active';
      if (dryRun) {
        members.push(isActive ? await this.#wouldRepair(id, control) : await this.sync(id, whatIf, control));
        continue;
      }
      if (isActive)
        await this.#cluster.moves.takeOutDiffering(new Map([[id, 'an operator has it repaired']]));
      else await membership.accuse(id);
      members.push(await this.sync(id, {}, control));
    }
    return { members, watched };
  }

  /** An active member is compared as in a verification. */
  async #wouldRepair(id: string, control: JobControl): Promise<SyncReport> {
    const clock = this.#clock;
    const cluster = this.#cluster;
    const since = clock.monotonicMs();
    const { differences, contested, outcome, reason } = await cluster.verification.run(
      { dryRun: true },
      { signal: control.signal, progress: (progress) => control.progress(progressOf(progress)) },
    );
    const found = differences.get(id) ?? contested.get(id);
    const [schema] = found?.schema ?? [];
    const tables = (found?.tables ?? []).map(({ table, missing, extra, samples }) => {
      return { table, missing, extra, samples };
    });
    return {
      member: id,
      source: cluster.primary.id === id ? null : cluster.primary.id,
      strategy: schema === undefined ? 'diff' : 'full',
      reason:
        schema ??
        (outcome === 'unchecked' ? `not all could be compared: ${reason}` : 'as a verification finds it now'),
      dryRun: true,
      tables,
      keptFile: null,
      rows: tables.reduce((sum, { missing, extra }) => sum + missing + extra, 0),
      bytes: 0,
      tookMs: Math.round(clock.monotonicMs() - since),
    };
  }
}

function shownDifference([member, difference]: readonly [string, Difference]): MemberDifference {
  return {
    member,
    ...difference,
    tables: difference.tables.map(({ table, missing, extra, samples, atLeast }) => {
      return { table, missing, extra, samples, atLeast };
    }),
  };
}

const whatIf = { strategy: 'diff', dryRun: true } as const;

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
