/** The disk of a node's state. It outlives the node; a save can fail, be slow, or be cut short by a crash. */

import { LockstepError } from '../../base/index.ts';
import type { NodeState, StateStore } from '../../coordination/index.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

export class StateDisk {
  /** How many of the next saves fail. */
  failsFor = 0;
  /** Called when a state has become the one that a restart would find. */
  onKept: (state: NodeState) => void = () => undefined;
  readonly #world: World;
  #kept: NodeState | undefined;
  #torn = false;
  #owner: Machine | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  get kept(): NodeState | undefined {
    return this.#kept;
  }

  lose(): void {
    this.#world.story.tell('disk', 'has lost the state');
    this.#kept = undefined;
    this.#torn = false;
  }

  /** What is there cannot be read, until an operator puts it right, or takes it away. */
  tear(): void {
    this.#world.story.tell('disk', 'holds a state that is torn');
    this.#torn = true;
  }

  get torn(): boolean {
    return this.#torn;
  }

  mend(): void {
    if (this.#torn) this.#world.story.tell('disk', 'holds a whole state again');
    this.#torn = false;
  }

  /** Whoever had it open before cannot write to it any more. */
  open(machine: Machine): StateStore {
    this.#owner = machine;
    return {
      load: async () => {
        await this.#world.pause(0.2);
        if (!machine.alive) return await never();
        if (this.#torn) throw refusal('the state cannot be read: it is torn');
        return this.#kept;
      },
      save: (state) => this.#save(machine, state),
      close: () => Promise.resolve(),
    };
  }

  async #save(machine: Machine, state: NodeState): Promise<void> {
    const { random, profile, story } = this.#world;
    const ms = random.between(0.2, random.happens(0.05) ? 50 : 2);
    await this.#world.pause(ms);
    if (!machine.alive) return never();
    if (this.#owner !== machine) throw refusal('the state could not be written: another node has it');
    const fails = this.failsFor > 0 || random.happens(profile.saveFailRate);
    if (this.failsFor > 0) this.failsFor -= 1;
    if ((!fails || random.happens(0.5)) && !(this.#world.flawed('forgets-the-state') && random.happens(0.5)))
      this.#keep(state);
    // From here on a crash leaves the new state without anybody having been told.
    await this.#world.pause(ms);
    if (!machine.alive) return never();
    story.tell('disk', `${fails ? 'fails to save' : 'saves'} version ${state.version}`);
    if (fails) throw refusal('the state could not be written: EIO: i/o error');
  }

  #keep(state: NodeState): void {
    this.#kept = state;
    this.#torn = false;
    this.onKept(state);
  }
}

function refusal(why: string): LockstepError {
  return new LockstepError({
    code: 'simulation.disk',
    message: why,
    outcome: 'unknown',
  });
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
