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
    const { source, snapshot } = await this.#openSnapshot(tools);
    const watched = this.#watch(attempt, source);
    const keeper = tools.keepRows(member.id);
    try {
      const unlike = await data.compareDatabases(snapshot, member);
      const schema = await data.compareSchema(snapshot, member);
      const decided = chooseBySchema({
        unlike,
        schema,
        owned: choice.owned,
        reason: choice.reason,
        asked: request.strategy,
      });
      if (decided.kind === 'refused') throw new SyncFailure('refused', decided.reason, decided.hint);
      const { kind, reason } = decided;
      attempt.chosen(kind, reason, source.id);
      const { term, version } = this.#parts.membership;
      const { dryRun = false } = request;
      const { clusterId } = this.#parts.settings;
      if (!dryRun) await data.markIncomplete(member, `${kind}: ${reason}`, { clusterId, term });
      const job = { source, snapshot, target: member, term, keeper, control: watched.control, dryRun };
      const tables = kind === 'diff' ? await data.diff(job) : await data.full(job);
      watched.control.signal.throwIfAborted();
      await keeper.flush();
      if (!dryRun) attempt.progress({ phase: 'conclude', table: undefined, ofTable: undefined });
      if (!dryRun) await data.conclude(member, source, { csn: snapshot.csn, term, version });
      const outcome = outcomeOf({ kind, reason, source, dryRun, tables, keeper, bytes: watched.bytes() });
      return { outcome, baseCsn: dryRun ? undefined : snapshot.csn };
    } catch (error) {
      throw watched.reason() ?? failureOf(error);
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
  async #openSnapshot({ data }: SyncTools): Promise<{ source: Member; snapshot: MemberSnapshot }> {
    const { gate, membership, roster, streams } = this.#parts;
    await gate.passed();
    const primaryId = this.#parts.primaryId();
    const replica = membership.active.find(
      (id) => id !== primaryId && !roster.load(id).suspect && streams.get(id)?.ended === false,
    );
    const source = roster.member(replica ?? primaryId);
    try {
      const snapshot =
        replica === undefined ? await this.#openBetween(data, source) : await data.openSnapshot(source);
      if (isActive(membership, source)) return { source, snapshot };
      snapshot.close();
      throw new SyncFailure('source', `member ${source.id} was taken out while a snapshot of it was opened`);
    } catch (error) {
      throw error instanceof MemberError ? new SyncFailure('source', error.message) : error;
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

  /** Ends the work when the source is taken out or the target has gone silent: a copy may wait for either without an end. */
  #watch(attempt: Attempt, source: Member) {
    const { membership, settings, world } = this.#parts;
    const { clock } = world;
    const { intervalMs, timeoutMs, threshold } = settings.probe;
    const ended = new AbortController();
    const { maxBytesPerSecond } = attempt.request;
    const pace = new Pace(clock, () => maxBytesPerSecond ?? settings.sync.maxBytesPerSecond);
    let reason: SyncFailure | undefined;
    let silent = 0;
    let cancel: (() => void) | undefined;
    const abort = (why: SyncFailure): void => {
      reason ??= why;
      ended.abort(why);
    };
    const forward = (): void => ended.abort(attempt.signal.reason);
    attempt.signal.addEventListener('abort', forward, { once: true });
    const look = (): void => {
      cancel = clock.after(Math.max(intervalMs, timeoutMs), () => {
        if (!isActive(membership, source))
          return abort(new SyncFailure('source', `member ${source.id}, which was read, was taken out`));
        let answered = false;
        attempt.member.inspect().then(
          () => (answered = true),
          () => undefined,
        );
        cancel = clock.after(timeoutMs, () => {
          silent = answered ? 0 : silent + 1;
          if (silent > threshold)
            return abort(
              new SyncFailure('unreachable', `member ${attempt.member.id} does not answer any more`),
            );
          look();
        });
      });
    };
    look();
    return {
      control: {
        signal: ended.signal,
        pieceBytesMax: pace.pieceBytesMax,
        pace: (bytes: number) => pace.take(bytes, ended.signal),
        progress: (report: WorkProgress) => attempt.progress(report),
      },
      bytes: () => pace.bytes,
      reason: () => reason,
      end: () => {
        cancel?.();
        attempt.signal.removeEventListener('abort', forward);
      },
    };
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
