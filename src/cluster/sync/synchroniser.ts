/**
 * One attempt at bringing a member level: look, choose, copy or compare if the log is not enough, catch up, join. See DESIGN.md,
 * "How a member comes level".
 */

import type { LoggedPlace, Member } from '../../dialects/contract.ts';
import type { TableChange } from '../../dialects/sync-contract.ts';
import { CatchUp } from './catch-up.ts';
import { chooseByLog } from './choose-strategy.ts';
import type { Findings, LogChoice, Strategy } from './choose-strategy.ts';
import { DataWork } from './data-work.ts';
import { join } from './join.ts';
import { levelPositions } from './level-positions.ts';
import { look } from './look.ts';
import { noProgress, SyncFailure } from './sync-parts.ts';
import type { SyncParts, SyncProgress } from './sync-parts.ts';

export interface SyncRequest {
  /** An operator's choice. Default: the cheapest that is enough. */
  readonly strategy?: Strategy;
  /** Find out what would change, and change nothing. */
  readonly dryRun?: boolean;
  /** Bytes read from the source in a second; 0: no limit. Default: as configured. */
  readonly maxBytesPerSecond?: number;
}

/** What was tried before has failed by what it met: at least this has to be done, and why. */
export interface Remedy {
  readonly least: 'diff' | 'full';
  readonly reason: string;
}

export interface Attempt {
  readonly member: Member;
  readonly request: SyncRequest;
  readonly remedy: Remedy | undefined;
  readonly byOperator: boolean;
  readonly signal: AbortSignal;
  chosen(strategy: Strategy, reason: string, source: string | undefined): void;
  progress(progress: Partial<SyncProgress>): void;
}

export interface SyncOutcome {
  readonly strategy: Strategy;
  readonly reason: string;
  readonly source: string | undefined;
  readonly dryRun: boolean;
  readonly tables: readonly TableChange[];
  readonly keptFile: string | undefined;
  readonly rows: number;
  readonly bytes: number;
}

export class Synchroniser {
  readonly #parts: SyncParts;
  readonly #data: DataWork;

  constructor(parts: SyncParts) {
    this.#parts = parts;
    this.#data = new DataWork(parts);
  }

  /** One comparing or copying at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#data.inTurn(work);
  }

  get turnWanted(): boolean {
    return this.#data.turnWanted;
  }

  /** Rejects with SyncFailure, MemberError or LockstepError; then the member is as inactive as before. */
  async attempt(attempt: Attempt): Promise<SyncOutcome> {
    // Inactive, and still where commits go: whoever takes over from it has not been recorded yet.
    if (this.#parts.primaryId() === attempt.member.id)
      throw new SyncFailure('failed', 'nobody has taken over from it yet');
    const found = await look(this.#parts, attempt.member, () => attempt.progress({ phase: 'choose' }));
    attempt.signal.throwIfAborted();
    const choice = chosen(found, attempt);
    const { dryRun = false } = attempt.request;
    if (choice.kind === 'replay') {
      const { reason } = choice;
      const source = this.#parts.primaryId();
      attempt.chosen('replay', reason, source);
      const records = dryRun
        ? 0
        : await this.#replay(attempt, {
            reason,
            afterCsn: choice.afterCsn,
            gaps: choice.gaps,
            asItWas: true,
          });
      return {
        strategy: 'replay',
        reason,
        source,
        dryRun,
        tables: [],
        keptFile: undefined,
        rows: records,
        bytes: 0,
      };
    }
    const done = await this.#data.make(attempt, choice);
    const { outcome, baseCsn } = done;
    if (baseCsn !== undefined)
      await this.#replay(attempt, {
        reason: outcome.reason,
        afterCsn: baseCsn,
        gaps: [],
        asItWas: false,
      });
    return outcome;
  }

  /** How many records it took. */
  async #replay(
    attempt: Attempt,
    from: {
      readonly reason: string;
      readonly afterCsn: number;
      readonly gaps: readonly LoggedPlace[];
      /** Its data are what they were when it left: nobody has looked at its schema, or at its sequences. */
      readonly asItWas: boolean;
    },
  ): Promise<number> {
    const { reason, afterCsn, gaps, asItWas } = from;
    const { member, signal } = attempt;
    let applied = 0;
    let bytesDone = 0;
    attempt.progress({
      ...noProgress,
      phase: 'catch-up',
      lagCsn: Math.max(0, this.#parts.order.dispatched - afterCsn),
    });
    const catchUp = new CatchUp(this.#parts, {
      member,
      afterCsn,
      signal,
      onPage: ({ records, bytes, lagCsn }) => {
        applied += records;
        bytesDone += bytes;
        attempt.progress({ lagCsn, bytesDone, rowsDone: applied });
      },
    });
    try {
      await catchUp.fill(gaps);
      if (asItWas) await levelPositions(this.#parts, member, { afterCsn, signal });
      const onJoining = (joining: boolean): void =>
        attempt.progress({ phase: joining ? 'join' : 'catch-up' });
      const { byOperator } = attempt;
      const proveSchema = asItWas;
      await join(this.#parts, { member, catchUp, reason, byOperator, signal, proveSchema, onJoining });
      return applied + gaps.length;
    } finally {
      catchUp.close();
    }
  }
}

/** What the log says, or an operator, or an earlier attempt. */
function chosen(found: Findings, { request, remedy }: Attempt): Exclude<LogChoice, { kind: 'refused' }> {
  const choice = chooseByLog(found);
  if (choice.kind === 'refused') throw new SyncFailure('refused', choice.reason, choice.hint);
  const { strategy } = request;
  if (choice.kind === 'data') {
    if (strategy !== 'replay') return choice;
    throw new SyncFailure('refused', `replaying is not enough: ${choice.reason}`, 'Leave the strategy out.');
  }
  if (strategy !== undefined && strategy !== 'replay')
    return { kind: 'data', owned: true, reason: 'an operator asked for it' };
  return remedy === undefined ? choice : { kind: 'data', owned: true, reason: remedy.reason };
}
