import type { WriteSetWatch } from './sim-write-set.ts';
import type { World } from './world.ts';

/** Which write sets one node holds. */
export class WriteSetLedger {
  readonly #world: World;
  #held = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get held(): number {
    return this.#held;
  }

  handOut(): WriteSetWatch {
    this.#held += 1;
    return {
      released: () => {
        this.#held -= 1;
      },
      misused: (what) => this.#world.violated('G10', what),
    };
  }
}
