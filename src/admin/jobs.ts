/**
 * Work that takes longer than an operator's command may wait: the command begins it and answers its number, and the work
 * is asked after. A door that is closed, or an operator who goes away, does not end it.
 */

import { LockstepError } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import { errorToJson } from './error-json.ts';
import type { ErrorJson } from './error-json.ts';
import type { RepairReport, SyncReport, VerifyReport, WorkProgress } from './operations.ts';

/** What each kind of work ends with. */
export interface JobResults {
  readonly sync: SyncReport;
  readonly verify: VerifyReport;
  readonly repair: RepairReport;
}

export type JobKind = keyof JobResults;

export type JobStatus = { [K in JobKind]: JobOf<K> }[JobKind];

export interface JobOf<K extends JobKind> {
  /** Counts from 1 since the node started. */
  readonly id: number;
  readonly kind: K;
  /** The member that it is about; null: all of them. */
  readonly member: string | null;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly progress: WorkProgress | null;
  /** Set when it is done. */
  readonly result: JobResults[K] | null;
  /** Set when it has failed or was cancelled. */
  readonly error: ErrorJson | null;
}

/** What work is given: when to end, and where to tell how far it is. */
export interface JobControl {
  readonly signal: AbortSignal;
  progress(progress: WorkProgress): void;
}

/** So many that ended are remembered; older ones are forgotten. */
const ENDED_MAX = 50;

export class Jobs {
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #jobs = new Map<number, { status: JobStatus; readonly end: AbortController }>();
  #last = 0;

  constructor(clock: Pick<Clock, 'wallTime'>) {
    this.#clock = clock;
  }

  start<K extends JobKind>(
    kind: K,
    member: string | null,
    work: (control: JobControl) => Promise<JobResults[K]>,
  ): JobStatus {
    const id = ++this.#last;
    const end = new AbortController();
    const status = {
      id,
      kind,
      member,
      state: 'running',
      startedAt: this.#now(),
      endedAt: null,
      progress: null,
      result: null,
      error: null,
    } as JobOf<JobKind> as JobStatus;
    this.#jobs.set(id, { status, end });
    const control = {
      signal: end.signal,
      progress: (progress: WorkProgress) => this.#change(id, { progress }),
    };
    void this.#follow(id, end.signal, work(control));
    return status;
  }

  /** The newest last. */
  list(): readonly JobStatus[] {
    return [...this.#jobs.values()].map(({ status }) => status);
  }

  /** False: it had ended already. */
  cancel(id: number): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined) {
      throw new LockstepError({
        code: 'admin.unknown-job',
        message: `there is no job ${id}`,
        hint: 'lockstep jobs shows what there is; jobs are forgotten when the node stops, and some time after their end',
      });
    }
    if (job.status.state !== 'running') return false;
    job.end.abort();
    return true;
  }

  /** Whatever runs for this member is asked to end. */
  cancelOf(member: string): void {
    for (const { status, end } of this.#jobs.values()) if (status.member === member) end.abort();
  }

  /** The node stops: whatever runs is asked to end. */
  cancelAll(): void {
    for (const { end } of this.#jobs.values()) end.abort();
  }

  async #follow(id: number, signal: AbortSignal, work: Promise<JobResults[JobKind]>): Promise<void> {
    try {
      this.#change(id, { state: 'done', result: await work });
    } catch (error) {
      this.#change(id, { state: signal.aborted ? 'cancelled' : 'failed', error: errorToJson(error) });
    }
    this.#change(id, { endedAt: this.#now() });
    this.#forgetOld();
  }

  #change(id: number, change: Partial<JobOf<JobKind>>): void {
    const job = this.#jobs.get(id);
    if (job !== undefined) job.status = { ...job.status, ...change } as JobStatus;
  }

  #forgetOld(): void {
    const ended = [...this.#jobs.values()].filter(({ status }) => status.state !== 'running');
    for (const { status } of ended.slice(0, Math.max(0, ended.length - ENDED_MAX)))
      this.#jobs.delete(status.id);
  }

  #now(): string {
    return this.#clock.wallTime().toISOString();
  }
}
