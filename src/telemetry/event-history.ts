import type { EngineEvent, EventSink } from './events.ts';

/** Keeps the newest `limit` events in memory. */
export class EventHistory implements EventSink {
  readonly #limit: number;
  readonly #ring: EngineEvent[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  emit(event: EngineEvent): void {
    this.#ring[this.#next] = event;
    this.#next = (this.#next + 1) % this.#limit;
  }

  /** Oldest first; at most `count` of the newest. */
  recent(count: number = this.#limit): readonly EngineEvent[] {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return ordered.slice(Math.max(0, ordered.length - count));
  }
}
