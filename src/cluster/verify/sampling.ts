/**
 * Now and then a few rows of one table are compared on all active members, without holding anything. Rows that are equal are
 * equal at whatever place in the order. Rows that are not may have been written to in between: that counts when nothing was under
 * way before and after, or when it is so again and again. Even then it is no more than a suspicion: a verification of that table
 * finds out before anybody is taken out.
 */

import type { CommitOrder } from '../commits/commit-order.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import type { ClusterSettings, World } from '../world.ts';
import type { DataSync, RowSample, RowSampler } from '../../dialects/sync-contract.ts';

export interface SamplingParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly order: CommitOrder;
  readonly data: DataSync | undefined;
  /** That it differs is known, and a person's to settle. */
  isContested(id: string): boolean;
  /** Finds out whether members differ in a table. False: nothing could be found out now. */
  confirm(table: string): Promise<boolean>;
}

/** So often in a row rows look different while there are commits under way. */
const looksMax = 5;
/** A table that has turned out to be equal is not suspected again for so long. */
const trustMs = 3_600_000;
/** While it is switched off, it is looked whether it still is. */
const idleMs = 5_000;

export class Sampling {
  readonly #parts: SamplingParts;
  #sampler: RowSampler | undefined;
  #cancel: (() => void) | undefined;
  #turn = 0;
  #looks = 0;
  /** Looked different, and is to be looked at again. */
  #suspected: RowSample | undefined;
  readonly #trustedUntilMs = new Map<string, number>();
  #stopped = false;
  /** Who was asked last. */
  #asked = '';

  constructor(parts: SamplingParts) {
    this.#parts = parts;
  }

  start(): void {
    const { data, settings, world } = this.#parts;
    if (data === undefined || this.#stopped) return;
    const { sampleMs } = settings.verification;
    this.#cancel = world.clock.after(sampleMs === 0 ? idleMs : sampleMs, () => {
      const looked = sampleMs === 0 ? Promise.resolve() : this.#look(data);
      void looked.catch(() => this.#forget()).then(() => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#forget();
  }

  async #look(data: DataSync): Promise<void> {
    const { membership, roster, world } = this.#parts;
    const ids = membership.active.filter((id) => !roster.load(id).suspect && !this.#parts.isContested(id));
    if (ids.join() !== this.#asked) this.#forget();
    this.#asked = ids.join();
    if (ids.length < 2) return;
    const sampler = (this.#sampler ??= data.openSampler(world.random));
    const from = ids[this.#turn++ % ids.length] ?? '';
    const sample = this.#suspected ?? (await sampler.pick(roster.member(from)));
    if (sample === undefined || this.#isTrusted(sample.table)) return;
    const before = this.#restingAt;
    const digests = await Promise.all(ids.map((id) => sampler.digest(roster.member(id), sample)));
    this.#suspected = undefined;
    if (new Set(digests).size === 1) {
      this.#looks = 0;
      return;
    }
    this.#looks += 1;
    const certain = before !== undefined && before === this.#restingAt;
    if (!certain && this.#looks < looksMax) {
      this.#suspected = sample;
      return;
    }
    this.#looks = 0;
    world.raise({ type: 'rows-suspected', table: sample.table, members: ids });
    if (await this.#parts.confirm(sample.table))
      this.#trustedUntilMs.set(sample.table, world.clock.monotonicMs() + trustMs);
  }

  /** The place in the order at which all members are, with nothing under way. */
  get #restingAt(): number | undefined {
    const { order } = this.#parts;
    return order.waiting === 0 ? order.lastOpened : undefined;
  }

  #isTrusted(table: string): boolean {
    const until = this.#trustedUntilMs.get(table);
    if (until !== undefined && this.#parts.world.clock.monotonicMs() < until) return true;
    this.#trustedUntilMs.delete(table);
    return false;
  }

  /** What could not be asked is asked over other connections. */
  #forget(): void {
    this.#sampler?.close();
    this.#sampler = undefined;
    this.#suspected = undefined;
    this.#looks = 0;
  }
}
