/**
 * Where the sequences are to stand after a batch of commits. Commits come in their own order, and not in the order in which
 * they drew: a later one may carry a lower position. Which way a sequence goes only the member knows, so of positions that are
 * reached by drawing it is given the lowest, the highest and the last, and goes to none that lies behind where it stands.
 */

import type { Change } from './write-set.ts';

interface Positions {
  /** As it stood after a statement that sets it; what was drawn since comes behind. */
  exact: Change | undefined;
  /** In the order in which they came. */
  drawn: readonly Change[];
}

export class SequencePositions {
  readonly #bySequence = new Map<string, Positions>();

  add(change: Change): void {
    const key = `${change.schema.toString('latin1')}\0${change.table.toString('latin1')}`;
    if (isExact(change)) {
      this.#bySequence.set(key, { exact: change, drawn: [] });
      return;
    }
    const positions = this.#bySequence.get(key) ?? { exact: undefined, drawn: [] };
    positions.drawn = outermost([...positions.drawn, change]);
    this.#bySequence.set(key, positions);
  }

  /** In the order in which the member is to be given them. */
  *changes(): Iterable<Change> {
    for (const { exact, drawn } of this.#bySequence.values()) {
      if (exact !== undefined) yield exact;
      yield* drawn;
    }
  }

  clear(): void {
    this.#bySequence.clear();
  }
}

export function isExact({ old }: Change): boolean {
  return old?.toString() === 'exact';
}

/** The position, and whether it has been handed out. */
export function positionOf(change: Change): { readonly value: string; readonly called: string } {
  const [value = '0', called = 't'] = (change.new?.toString() ?? '').split(',');
  return { value, called };
}

/** The lowest, the highest and the last, in the order in which they came. */
function outermost(drawn: readonly Change[]): readonly Change[] {
  if (drawn.length < 2) return drawn;
  const value = (change: Change): bigint => BigInt(positionOf(change).value);
  const last = drawn[drawn.length - 1] as Change;
  const lowest = drawn.reduce((a, b) => (value(b) <= value(a) ? b : a));
  const highest = drawn.reduce((a, b) => (value(b) >= value(a) ? b : a));
  return drawn.filter((change) => change === last || change === lowest || change === highest);
}
