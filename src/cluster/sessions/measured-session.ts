/** A client's session, with its requests counted and timed: for charts, monitoring, and for who asks what it does now. */

import type { Answer, AnswerSink, SessionIdentity } from '../../dialects/contract.ts';
import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import type { Cluster } from '../cluster.ts';
import type { Gate } from '../gate.ts';
import type { RequestKind, Traffic } from '../traffic.ts';
import { nobody } from './held-answer.ts';
import { Session } from './session.ts';
import { statementCancelled } from './session-errors.ts';
import type { Placed, SessionHooks, SessionLimits, Work } from './work.ts';

const KEPT_BYTES_MAX = 4096;

export class MeasuredSession extends Session {
  readonly #traffic: Traffic;
  readonly #gate: Gate;
  readonly #now: () => number;
  #wrote = false;
  #active = false;
  #sinceMs: number;
  #request: unknown;
  /** Rejects when what waits at the gate is taken back. */
  #waiting: Deferred | undefined;

  constructor(
    cluster: Cluster,
    { traffic, gate }: { readonly traffic: Traffic; readonly gate: Gate },
    identity: SessionIdentity,
    limits: SessionLimits,
    hooks: SessionHooks,
  ) {
    super(cluster, identity, limits, hooks);
    this.#traffic = traffic;
    this.#gate = gate;
    this.#now = () => cluster.world.clock.monotonicMs();
    this.#sinceMs = this.#now();
  }

  /** What it does, or did last in its open transaction, and since when (monotonic). */
  get activity(): { readonly active: boolean; readonly sinceMs: number; readonly request: unknown } {
    return { active: this.#active, sinceMs: this.#sinceMs, request: this.#request };
  }

  override async run(work: Work, sink: AnswerSink): Promise<Answer> {
    // What nobody is answered is our own.
    if (sink === nobody) return await super.run(work, sink);
    if (!this.#gate.open && !this.inTransaction) await this.#wait();
    const sinceMs = this.#begins();
    this.#request = work.request;
    const writes = work.effect === 'write';
    const inside = this.transaction !== 'none';
    try {
      return await super.run(work, sink);
    } finally {
      this.#wrote ||= inside && writes;
      // No more is kept than what an open transaction is run again from.
      if (this.transaction === 'none' || work.bytes > KEPT_BYTES_MAX) this.#request = undefined;
      this.#ends(writes ? (inside ? 'write' : 'commit') : 'read', sinceMs);
    }
  }

  override async runAt(where: string, work: Work, sink: AnswerSink): Promise<Placed | undefined> {
    const sinceMs = this.#begins();
    this.#request = work.request;
    try {
      return await super.runAt(where, work, sink);
    } finally {
      this.#request = undefined;
      this.#ends('commit', sinceMs);
    }
  }

  override async commit(sink: AnswerSink): Promise<'committed' | 'rolled-back' | 'refused'> {
    if (!this.#wrote) return await super.commit(sink);
    const sinceMs = this.#begins();
    try {
      return await super.commit(sink);
    } finally {
      this.#wrote = false;
      this.#ends('commit', sinceMs);
    }
  }

  override async rollback(): Promise<void> {
    this.#wrote = false;
    await super.rollback();
  }

  override async cancel(): Promise<void> {
    if (this.#waiting === undefined) await super.cancel();
    else this.#waiting.reject(statementCancelled());
  }

  override close(): void {
    super.close();
    this.#waiting?.reject(statementCancelled());
  }

  /** At the gate, in front of a transaction that has not begun. */
  async #wait(): Promise<void> {
    this.#waiting = deferred();
    try {
      await Promise.race([this.#gate.passed(), this.#waiting.promise]);
    } finally {
      this.#waiting = undefined;
    }
  }

  #begins(): number {
    this.#active = true;
    this.#sinceMs = this.#now();
    this.#traffic.begins(this.#sinceMs);
    return this.#sinceMs;
  }

  #ends(kind: RequestKind, sinceMs: number): void {
    const nowMs = this.#now();
    this.#traffic.ends(kind, sinceMs, nowMs);
    this.#active = false;
    this.#sinceMs = nowMs;
  }
}
