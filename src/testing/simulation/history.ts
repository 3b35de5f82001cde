/**
 * What the clients did and saw, and nothing else. Every transaction that writes appends an item of its own to one of the
 * lists, so that who was before whom can be read off the lists.
 */

import type { Value } from './sim-write-set.ts';
import type { World } from './world.ts';

export type Outcome = 'under way' | 'acknowledged' | 'none' | 'unknown';

export interface Item {
  readonly name: string;
  readonly list: string;
  readonly session: string;
  readonly startedAt: number;
  /** What its session had seen when it began. */
  readonly seenBefore: readonly Sight[];
  outcome: Outcome;
  acknowledgedAt: number;
}

export interface Sight {
  readonly session: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly values: ReadonlyMap<string, Value>;
  /** Given by a node that another has replaced. */
  readonly outdated: boolean;
  /** Where in the story. */
  readonly line: number;
}

export class History {
  readonly items = new Map<string, Item>();
  readonly sights: Sight[] = [];
  /** Moments at which a node was lost: what was seen before and never acknowledged may be gone after it. */
  readonly nodeLosses: number[] = [];
  /**
   * A commit that no replica could apply was lost with its primary: who was shown it in this time may have seen what did not
   * happen. It ends where a node hears of the first refusal.
   */
  readonly revoked: { readonly from: number; readonly until: number }[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  newItem(list: string, session: string): Item {
    const item: Item = {
      name: `i${this.items.size}`,
      list,
      session,
      startedAt: this.#world.moment(),
      seenBefore: this.sights.filter((sight) => sight.session === session),
      outcome: 'under way',
      acknowledgedAt: Infinity,
    };
    this.items.set(item.name, item);
    return item;
  }

  end(item: Item, outcome: Outcome): void {
    item.outcome = outcome;
    if (outcome === 'acknowledged') item.acknowledgedAt = this.#world.moment();
    this.#world.story.tell(item.session, `${item.name} on ${item.list}: ${outcome}`);
  }

  saw(sight: Omit<Sight, 'line' | 'endedAt'>): void {
    const shown = [...sight.values].map(([key, value]) => `${key}=${value}`).join(' ');
    this.#world.story.tell(sight.session, `sees ${shown}`);
    this.sights.push({ ...sight, endedAt: this.#world.moment(), line: this.#world.story.length });
  }

  get acknowledged(): number {
    let count = 0;
    for (const item of this.items.values()) if (item.outcome === 'acknowledged') count += 1;
    return count;
  }
}

export function itemsOf(list: Value | undefined): readonly string[] {
  return typeof list === 'string' && list !== '' ? list.slice(0, -1).split(',') : [];
}

export function contains(list: Value | undefined, item: string): boolean {
  return typeof list === 'string' && (list.startsWith(`${item},`) || list.includes(`,${item},`));
}
