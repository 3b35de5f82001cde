/** Comparing and copying: from a snapshot of a source to a member whose data stand for one place in the order. */

import { MemberError } from '../../dialects/contract.ts';
import type { Member } from '../../dialects/contract.ts';
import type { MemberSnapshot, TableChange, WorkProgress } from '../../dialects/sync-contract.ts';
import { failureOf } from './catch-up.ts';
import { chooseBySchema } from './choose-strategy.ts';
import type { LogChoice } from './choose-strategy.ts';
import { Pace } from './pace.ts';
import { isActive, SyncFailure } from './sync-parts.ts';
import type { KeptRows, SyncParts, SyncTools } from './sync-parts.ts';
import type { Attempt, SyncOutcome } from './synchroniser.ts';
import { questionMs, stepMsMax, unlessEnded, watch } from './watched.ts';

export interface DataDone {
  readonly outcome: SyncOutcome;
  /** What the member's data stand for now; undefined when nothing was changed. */
  readonly baseCsn: number | undefined;
}

type DataChoice = Extract<LogChoice, { kind: 'data' }>;

export class DataWork {
  readonly #parts: SyncParts;
  /** One at a time in the node, so that its load is known. */
  #turns: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: SyncParts) {
    this.#parts = parts;
  }

  make(attempt: Attempt, choice: DataChoice): Promise<DataDone> {
    const { tools } = this.#parts;
    if (tools === undefined) {
      const hint =
        'Make it equal while nothing is written, and start the node with all members named as sources.';
      return Promise.reject(new SyncFailure('refused', `replaying is not enough: ${choice.reason}`, hint));
    }
    return this.inTurn(async () => {
      attempt.signal.throwIfAborted();
      return attempt.request.strategy === 'passive'
        ? await this.#believe(attempt, tools)
        : await this.#copy(attempt, tools, choice);
    });
  }

  /** Also for verification, which reads as much. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#turns.then(() => {
      this.#waiting -= 1;
      return work();
    });
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /** Somebody waits for his turn. */
  get turnWanted(): boolean {
    return this.#waiting > 0;
  }

  async #copy(attempt: Attempt, tools: SyncTools, choice: DataChoice): Promise<DataDone> {
    const { member, request } = attempt;
    const { data } = tools;
    attempt.progress({ phase: 'snapshot' });
    const { source, snapshot } = await this.#openSnapshot(tools, attempt.signal);
    const watched = watch(this.#parts, { source, target: member, signal: attempt.signal });
    const { signal } = watched;
    const { settings, world } = this.#parts;
    const { maxBytesPerSecond } = request;
    const pace = new Pace(world.clock, () => maxBytesPerSecond ?? settings.sync.maxBytesPerSecond);
    const control = {
      signal,
      get pieceBytesMax() {
        return pace.pieceBytesMax;
      },
      pace: (bytes: number) => pace.take(bytes, signal),
      progress: (report: WorkProgress) => attempt.progress(report),
    };
    const step = <T>(work: Promise<T>): Promise<T> =>
      unlessEnded(world.clock, { signal, ms: stepMsMax }, work);
    const keeper = tools.keepRows(member.id);
    try {
      const unlike = await step(data.compareDatabases(snapshot, member));
      const schema = await step(data.compareSchema(snapshot, member));
      const decided = chooseBySchema({
        unlike,
        schema,
        owned: choice.owned,
        reason: choice.reason,
        asked: request.strategy,
        copy: attempt.remedy?.least === 'full',
      });
      if (decided.kind === 'refused') throw new SyncFailure('refused', decided.reason, decided.hint);
      const { kind, reason } = decided;
      const fixed = kind === 'full' ? await step(data.notReplaceable(member)) : undefined;
      if (fixed !== undefined) {
        throw new SyncFailure(
          'refused',
          `member ${member.id}: ${fixed.reason}`,
          `Nothing of it was changed. There: ${fixed.cure}`,
        );
      }
      attempt.chosen(kind, reason, source.id);
      const { term, version } = this.#parts.membership;
      const { dryRun = false } = request;
      const { clusterId } = this.#parts.settings;
      if (!dryRun) {
        const mark = `${kind}: ${reason}`;
        await step(data.markIncomplete(member, mark, { clusterId, term }));
      }
      const job = { source, snapshot, target: member, term, keeper, control, dryRun };
      const tables = kind === 'diff' ? await data.diff(job) : await data.full(job);
      signal.throwIfAborted();
      await keeper.flush();
      if (!dryRun) {
        attempt.progress({ phase: 'conclude', table: undefined, ofTable: undefined });
        await step(data.conclude(member, source, { csn: snapshot.csn, term, version }));
        await this.#parts.compared(member.id);
      }
      const outcome = outcomeOf({ kind, reason, source, dryRun, tables, keeper, bytes: pace.bytes });
      return { outcome, baseCsn: dryRun ? undefined : snapshot.csn };
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOf(error);
    } finally {
      watched.end();
      snapshot.close();
      await keeper.close();
    }
  }

  /** The operator says that its data are the cluster's. */
  async #believe(attempt: Attempt, { data }: SyncTools): Promise<DataDone> {
    const { member, request } = attempt;
    const { boundary, membership, roster, settings } = this.#parts;
    const { dryRun = false } = request;
    const source = roster.member(this.#parts.primaryId());
    const reason = 'an operator says that it has everything';
    attempt.chosen('passive', reason, source.id);
    const outcome: SyncOutcome = {
      strategy: 'passive',
      reason,
      source: source.id,
      dryRun,
      tables: [],
      keptFile: undefined,
      rows: 0,
      bytes: 0,
    };
    if (dryRun) return { outcome, baseCsn: undefined };
    const { term, version } = membership;
    await data.markIncomplete(member, `passive: ${reason}`, { clusterId: settings.clusterId, term });
    const csn = await boundary.hold({ ms: settings.commitMs, applied: true }, (at) => Promise.resolve(at));
    await data.conclude(member, source, { csn, term, version });
    return { outcome, baseCsn: csn };
  }

  /** Of a replica if there is one: it shows one place in the order at any time. Of the primary between two commits. */
  async #openSnapshot(
    { data }: SyncTools,
    signal: AbortSignal,
  ): Promise<{ source: Member; snapshot: MemberSnapshot }> {
    const { gate, membership, roster, streams, world } = this.#parts;
    await gate.passed();
    const primaryId = this.#parts.primaryId();
    const replica = membership.active.find(
      (id) =>
        id !== primaryId &&
        !roster.load(id).suspect &&
        !this.#parts.isContested(id) &&
        streams.get(id)?.ended === false,
    );
    const source = roster.member(replica ?? primaryId);
    const watched = watch(this.#parts, { source, signal });
    const opening = replica === undefined ? this.#openBetween(data, source) : data.openSnapshot(source);
    try {
      const snapshot = await unlessEnded(world.clock, { signal: watched.signal, ms: questionMs }, opening);
      if (isActive(membership, source)) return { source, snapshot };
      throw new SyncFailure('source', `member ${source.id} was taken out while a snapshot of it was opened`);
    } catch (error) {
      opening.then((late) => late.close()).catch(() => undefined);
      throw error instanceof MemberError ? new SyncFailure('source', error.message) : error;
    } finally {
      watched.end();
    }
  }

  /** Between two commits. */
  async #openBetween(data: SyncTools['data'], source: Member): Promise<MemberSnapshot> {
    const { boundary, settings } = this.#parts;
    const prepared = await data.prepareSnapshot(source);
    try {
      return await boundary.hold(
        { ms: settings.sync.holdMs, applied: false, late: (opened: MemberSnapshot) => opened.close() },
        () => prepared.take(),
      );
    } finally {
      prepared.close();
    }
  }
}

function outcomeOf(done: {
  kind: 'diff' | 'full';
  reason: string;
  source: Member;
  dryRun: boolean;
  tables: readonly TableChange[];
  keeper: KeptRows;
  bytes: number;
}): SyncOutcome {
  const { kind, reason, source, dryRun, tables, keeper, bytes } = done;
  const rows = tables.reduce((sum, { missing, extra }) => sum + missing + extra, 0);
  return { strategy: kind, reason, source: source.id, dryRun, tables, keptFile: keeper.file, rows, bytes };
}
