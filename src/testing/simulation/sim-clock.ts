/**
 * Virtual time. Nothing happens between two events; after each one every promise that it settled has run to its end, so
 * the order of all that happens is decided by the seed alone.
 */

import type { Clock } from '../../base/index.ts';
import type { SeededRandom } from './seeded-random.ts';

interface TimedEvent {
  readonly atMs: number;
  /** Decides between events of one instant. */
  readonly tie: number;
  readonly fire: () => void;
  cancelled: boolean;
}

const firstDay = Date.UTC(2030, 0, 1);

export class SimClock implements Clock {
  readonly #random: SeededRandom;
  /** A binary heap, the next event first. */
  readonly #heap: TimedEvent[] = [];
  #nowMs = 0;
  #wallAheadMs = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallTime(): Date {
    return new Date(firstDay + this.#nowMs + this.#wallAheadMs);
  }

  /** Somebody sets the date. */
  jump(ms: number): void {
    this.#wallAheadMs += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const event: TimedEvent = {
      atMs: this.#nowMs + Math.max(0, ms),
      tie: this.#random.next(),
      fire: callback,
      cancelled: false,
    };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Resolves to false when `untilMs` has come, or nothing more can happen, before `done`. */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    for (;;) {
      await settled();
      if (done()) return true;
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.atMs > untilMs) {
        this.#push(event);
        return false;
      }
      this.#nowMs = event.atMs;
      event.fire();
    }
  }

  #push(event: TimedEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as TimedEvent;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): TimedEvent | undefined {
    for (;;) {
      const first = this.#heap[0];
      const last = this.#heap.pop();
      if (first === undefined || last === undefined) return undefined;
      if (this.#heap.length > 0) this.#sink(last);
      if (!first.cancelled) return first;
    }
  }

  #sink(event: TimedEvent): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      const right = heap[below + 1];
      if (right !== undefined && before(right, heap[below] as TimedEvent)) below += 1;
      const child = heap[below] as TimedEvent;
      if (!before(child, event)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = event;
  }
}

function before(one: TimedEvent, other: TimedEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.tie < other.tie);
}

/** A turn of the event loop begins only when no settled promise is left. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
