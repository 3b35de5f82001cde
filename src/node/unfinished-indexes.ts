/**
 * Looks for indexes that somebody died over who was rebuilding them: on every active member when the node starts, when a member comes
 * back, and whenever such a statement has ended anywhere, however it did. While one is left, again and again.
 */

import { messageOf } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { clearingSettings, clearUnfinishedIndexes } from '../dialects/postgres/index.ts';
import type { PostgresMember } from '../dialects/postgres/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BuiltMembers } from './build-members.ts';

const againMs = 1000;

export class UnfinishedIndexes {
  readonly #parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger };
  /** Under way, or to be begun; by member. `again`: something may have been left since it began. */
  readonly #looking = new Map<string, { again: boolean; cancel: () => void }>();
  #stopped = false;

  constructor(parts: { cluster: Cluster; built: BuiltMembers; clock: Clock; logger: Logger }) {
    this.#parts = parts;
  }

  look(): void {
    for (const { member } of this.#parts.built.members) this.lookAt(member.id);
  }

  lookAt(id: string): void {
    const looking = this.#looking.get(id);
    if (looking !== undefined) looking.again = true;
    else this.#begin(id, 0);
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#looking.values()) cancel();
  }

  #begin(id: string, ms: number): void {
    if (this.#stopped) return;
    const state = { again: false, cancel: this.#parts.clock.after(ms, () => void this.#run(id, state)) };
    this.#looking.set(id, state);
  }

  async #run(id: string, state: { readonly again: boolean }): Promise<void> {
    const { cluster, built, logger } = this.#parts;
    const member = built.members.find((one) => one.member.id === id)?.member;
    let left = 0;
    // One that takes no part is looked at when it comes back.
    if (member !== undefined && cluster.membership.entry(id)?.state === 'active') {
      try {
        left = await this.#clear(member);
      } catch (error) {
        left = 1;
        logger.debug({ member: id, error: messageOf(error) }, 'unfinished indexes were not looked for');
      }
    }
    this.#looking.delete(id);
    if (left > 0 || state.again) this.#begin(id, againMs);
  }

  async #clear(member: PostgresMember): Promise<number> {
    const connection = await member.openInternal(clearingSettings);
    try {
      const { dropped, left } = await clearUnfinishedIndexes(connection);
      for (const index of dropped)
        this.#parts.logger.info(
          { member: member.id, index },
          'what an interrupted REINDEX had left was dropped',
        );
      return left;
    } finally {
      connection.close();
    }
  }
}
