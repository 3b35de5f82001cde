/** The machine that one node runs on. When it dies, everything it was doing stops where it is, for good. */

import { deferred } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { World } from './world.ts';

export class MachineDied extends Error {}

export class Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly #world: World;
  readonly #died = deferred<never>();
  readonly #onDeath = new Set<() => void>();
  /** Messages that wait until its network is back. */
  #held: (() => void)[] | undefined;
  #alive = true;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#died.promise.catch(() => undefined);
    this.clock = {
      monotonicMs: () => world.clock.monotonicMs(),
      wallTime: () => world.clock.wallTime(),
      after: (ms, callback) =>
        world.clock.after(ms, () => {
          if (this.#alive) callback();
        }),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get cutOff(): boolean {
    return this.#held !== undefined;
  }

  die(): void {
    if (!this.#alive) return;
    this.#world.story.tell(this.name, 'dies');
    this.#alive = false;
    this.#died.reject(new MachineDied(this.name));
    this.reconnect();
    for (const tell of this.#onDeath) tell();
    this.#onDeath.clear();
  }

  onDeath(tell: () => void): () => void {
    this.#onDeath.add(tell);
    return () => this.#onDeath.delete(tell);
  }

  /** As `work`, for somebody outside who notices when the machine has died. */
  orDeath<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#died.promise]);
  }

  cutOffNetwork(): void {
    if (this.#held !== undefined || !this.#alive) return;
    this.#world.story.tell(this.name, 'reaches no member any more');
    this.#held = [];
  }

  reconnect(): void {
    const held = this.#held;
    if (held === undefined) return;
    if (this.#alive) this.#world.story.tell(this.name, 'reaches the members again');
    this.#held = undefined;
    for (const deliver of held) deliver();
  }

  /** Now, or when the network is back. */
  pass(deliver: () => void): void {
    if (this.#held === undefined) deliver();
    else this.#held.push(deliver);
  }
}
