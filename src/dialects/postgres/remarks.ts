/** What members have to tell operators of definitions that are not the same everywhere. */

import type { LeftOut } from './marked-writing.ts';
import type { Unrepeatable } from './unrepeatable.ts';

export type Remark =
  /** It could not be computed there: nobody writes to it or reads by it any more. */
  | {
      readonly type: 'index-left-out';
      readonly member: string;
      readonly index: string;
      readonly table: string;
      readonly unique: boolean;
      readonly reason: string;
    }
  /** It may come out otherwise on another member, or later; its rows are stored as they were. */
  | { readonly type: 'definition-not-repeatable'; readonly definition: string; readonly reason: string };

/** Shared by the members, so that each definition is told of once, however many of them store its rows. */
export class Remarks {
  readonly #take: (remark: Remark) => void;
  readonly #told = new Set<string>();

  constructor(take: (remark: Remark) => void) {
    this.#take = take;
  }

  leftOut(member: string, indexes: readonly LeftOut[]): void {
    for (const { why, ...index } of indexes)
      this.#take({ type: 'index-left-out', member, ...index, reason: why });
  }

  /** `key`: says which definitions were looked at. True: not before. */
  isNew(key: string): boolean {
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    return true;
  }

  unrepeatable(definitions: readonly Unrepeatable[]): void {
    for (const { definition, why } of definitions) {
      if (!this.isNew(`${definition}: ${why}`)) continue;
      this.#take({ type: 'definition-not-repeatable', definition, reason: why });
    }
  }
}
