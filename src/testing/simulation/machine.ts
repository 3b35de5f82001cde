/** The machine that one node runs on. When it dies, everything it was doing stops where it is, for good. */

import { deferred } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { World } from './world.ts';

export class MachineDied extends Error {}

interface Unreached {
  readonly way: 'both' | 'answers';
  readonly messages: (() => void)[];
}

export class Machine {
  readonly name: string;
  readonly clock: Clock;
  readonly #world: World;
  readonly #died = deferred<never>();
  readonly #onDeath = new Set<() => void>();
  /** By server that it does not reach: messages that wait until the network is back. */
  readonly #held = new Map<string, Unreached>();
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

  cutOff(server: string): boolean {
    return this.#held.has(server);
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

  /** `way`: what does not arrive, everything or only the answers. */
  cutOffFrom(servers: readonly string[], way: 'both' | 'answers'): void {
    const more = servers.filter((server) => !this.#held.has(server));
    if (more.length === 0 || !this.#alive) return;
    const what = way === 'both' ? 'reaches' : 'hears of';
    this.#world.story.tell(this.name, `no longer ${what} ${more.join(', ')}`);
    for (const server of more) this.#held.set(server, { way, messages: [] });
  }

  reconnect(): void {
    const held = [...this.#held.values()];
    if (held.length === 0) return;
    if (this.#alive) this.#world.story.tell(this.name, 'reaches everybody again');
    this.#held.clear();
    for (const { messages } of held) for (const deliver of messages) deliver();
  }

  /** Now, or when the network is back. */
  pass(server: string, to: 'server' | 'node', deliver: () => void): void {
    const held = this.#held.get(server);
    if (held === undefined || (held.way === 'answers' && to === 'server')) deliver();
    else held.messages.push(deliver);
  }
}
