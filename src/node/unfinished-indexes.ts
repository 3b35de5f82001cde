/**
 * Looks for indexes that somebody died over who was building or rebuilding them: on every active member when the node starts, when a member
 * comes back, and whenever such a statement has ended anywhere, however it did. While one is left, again and again.
 */

import { messageOf, pause } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { clearingSettings, clearUnfinishedIndexes } from '../dialects/postgres/index.ts';
import type { PostgresMember } from '../dialects/postgres/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BuiltMembers } from './build-members.ts';

const againMs = 250;
/** Each time it is tried, others who want the table wait behind: what is in the way for long is met ever more rarely. */
const againMsMax = 5000;
/** Until the primary's turn is looked for again. */
const turnMs = 20;
/** A client whose index was not built hears so when nothing is left of it, but is not kept by whoever stands in the way. */
const clearedMs = 2000;

/** When it is looked again, and how long after that. */
interface Next {
  readonly ms: number;
  readonly againMs: number;
}

export class UnfinishedIndexes {
  readonly #parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger };
  /** Under way, or to be begun; by member. `again`: something may have been left since it began. */
  readonly #looking = new Map<string, { again: boolean; cancel: () => void }>();
  #stopped = false;
  /** By name: being built for clients. */
  readonly #spared = new Set<string>();
  /** Tables on which one is being built. */
  readonly #tables = new Set<string>();

  constructor(parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger }) {
    this.#parts = parts;
  }

  /** Until what this returns is called, the index is left alone. That resolves when there is nothing left, or after a moment. */
  spare(name: string): () => Promise<void> {
    this.#spared.add(name);
    return async () => {
      this.#spared.delete(name);
      this.look();
      const { clock } = this.#parts;
      const until = clock.monotonicMs() + clearedMs;
      while (this.#looking.size > 0 && clock.monotonicMs() < until) await pause(clock, turnMs);
    };
  }

  /** Undefined: one is being built there. Returns how to let go of it. */
  takeTable(table: string): (() => void) | undefined {
    if (this.#tables.has(table)) return undefined;
    this.#tables.add(table);
    return () => void this.#tables.delete(table);
  }

  look(): void {
    for (const { member } of this.#parts.built.members) this.lookAt(member.id);
  }

  lookAt(id: string): void {
    const looking = this.#looking.get(id);
    if (looking !== undefined) looking.again = true;
    else this.#begin(id, { ms: 0, againMs });
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#looking.values()) cancel();
  }

  #begin(id: string, next: Next): void {
    if (this.#stopped) return;
    const run = (): void => void this.#run(id, state, next.againMs);
    const state = { again: false, cancel: this.#parts.clock.after(next.ms, run) };
    this.#looking.set(id, state);
  }

  async #run(id: string, state: { readonly again: boolean }, ms: number): Promise<void> {
    const { cluster, built, logger } = this.#parts;
    const member = built.members.find((one) => one.member.id === id)?.member;
    let left = 0;
    const waits = id === cluster.primary.id && this.#othersLeft(id);
    // One that takes no part is looked at when it comes back.
    if (!waits && member !== undefined && cluster.membership.entry(id)?.state === 'active') {
      try {
        left = await this.#clear(member);
      } catch (error) {
        left = 1;
        logger.debug({ member: id, error: messageOf(error) }, 'unfinished indexes were not looked for');
      }
    }
    this.#looking.delete(id);
    if (waits) this.#begin(id, { ms: turnMs, againMs: ms });
    else if (state.again) this.#begin(id, { ms: againMs, againMs });
    else if (left > 0) this.#begin(id, { ms, againMs: Math.min(2 * ms, againMsMax) });
  }

  /** The primary comes last: a unique index that it has lost must not stop rows elsewhere that it lets pass. */
  #othersLeft(id: string): boolean {
    return [...this.#looking.keys()].some((other) => other !== id);
  }

  async #clear(member: PostgresMember): Promise<number> {
    await member.endLeftBuilders();
    const connection = await member.openInternal(clearingSettings);
    try {
      const { dropped, left } = await clearUnfinishedIndexes(connection, (name) => this.#spared.has(name));
      for (const index of dropped)
        this.#parts.logger.info({ member: member.id, index }, 'an index that was not finished was dropped');
      return left;
    } finally {
      connection.close();
    }
  }
}
