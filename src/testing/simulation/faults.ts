/** What goes wrong, and when: drawn from the seed, each at a message of its own, so that it can strike between any two. */

import { messageOf } from '../../base/index.ts';
import type { Nodes } from './nodes.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimServer } from './sim-server.ts';
import type { StateDisk } from './sim-state-store.ts';
import type { World } from './world.ts';

type Strike = (faults: Faults) => void;

/** Often enough to meet each other. The first are the likeliest. */
const kinds: readonly { readonly weight: number; readonly strike: Strike }[] = [
  { weight: 4, strike: (faults) => faults.crashMember() },
  { weight: 3, strike: (faults) => faults.freezeMember() },
  { weight: 4, strike: (faults) => faults.crashNode() },
  { weight: 2, strike: (faults) => faults.replaceNode() },
  { weight: 1, strike: (faults) => faults.crashNodeAndMember() },
  { weight: 1, strike: (faults) => faults.crashAllMembers() },
  { weight: 2, strike: (faults) => faults.cutOff() },
  { weight: 1, strike: (faults) => faults.fillDisk() },
  { weight: 1, strike: (faults) => faults.breakStateDisk() },
  { weight: 2, strike: (faults) => faults.operator('switchPrimary') },
  { weight: 1, strike: (faults) => faults.operator('deactivate') },
];

/** Steps within which the faults of a history strike: about as many as a history without faults has. */
const spread = 900;

export class Faults {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #nodes: Nodes;
  readonly #disk: StateDisk;
  readonly #random: SeededRandom;
  #over = false;

  constructor(
    world: World,
    servers: readonly SimServer[],
    nodes: Nodes,
    disk: StateDisk,
    random: SeededRandom,
  ) {
    this.#world = world;
    this.#servers = servers;
    this.#nodes = nodes;
    this.#disk = disk;
    this.#random = random;
  }

  plan(count: number): void {
    const strikes = new Map<number, Strike>();
    const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
    for (let i = 0; i < count; i++) {
      let left = this.#random.below(total);
      const kind = kinds.find(({ weight }) => (left -= weight) < 0);
      if (kind !== undefined) strikes.set(1 + this.#random.below(spread), kind.strike);
    }
    this.#world.onStep = (step) => {
      const strike = strikes.get(step);
      // Not in the middle of whatever sends the message: right after it.
      if (strike !== undefined && !this.#over) this.#world.clock.after(0, () => strike(this));
    };
  }

  /** Everything works again, and stays so. */
  heal(): void {
    this.#over = true;
    this.#disk.failsFor = 0;
    this.#nodes.machine?.reconnect();
    for (const server of this.#servers) {
      server.diskFullFor = 0;
      server.thaw();
      server.restart();
    }
  }

  crashMember(server: SimServer = this.#member()): void {
    server.crash();
    this.#later(this.#random.between(5, 800), () => {
      server.restart();
      this.#bringBackSometime(server);
    });
  }

  freezeMember(): void {
    const server = this.#member();
    server.freeze();
    this.#later(this.#random.pick([10, 150, 400, 1500]), () => {
      server.thaw();
      this.#bringBackSometime(server);
    });
  }

  crashNode(): void {
    // Memory only: with a member silent the members' marks prove nothing, and the start rightly waits for it.
    if (this.#random.happens(0.1) && this.#disk.kept !== undefined) this.#disk.lose();
    this.#nodes.crash();
  }

  crashNodeAndMember(): void {
    this.crashMember();
    this.#nodes.crash();
  }

  crashAllMembers(): void {
    for (const server of this.#servers) this.crashMember(server);
  }

  replaceNode(): void {
    this.#nodes.replace();
  }

  cutOff(): void {
    const { machine } = this.#nodes;
    machine?.cutOffNetwork();
    this.#later(this.#random.pick([20, 300, 1500]), () => machine?.reconnect());
  }

  fillDisk(): void {
    const server = this.#member();
    server.diskFullFor = 1 + this.#random.below(3);
    this.#world.story.tell(server.id, 'has a full disk');
    this.#bringBackSometime(server);
  }

  breakStateDisk(): void {
    this.#disk.failsFor = 1 + this.#random.below(3);
    this.#world.story.tell('disk', `will fail ${this.#disk.failsFor} times`);
  }

  operator(action: 'switchPrimary' | 'deactivate'): void {
    const server = this.#random.pick(this.#servers);
    void this.#operate(action, server);
    if (action === 'deactivate') this.#bringBackSometime(server);
  }

  #bringBackSometime(server: SimServer): void {
    if (!this.#random.happens(0.8)) return;
    const level = this.#random.happens(0.8);
    this.#later(this.#random.between(5, 400), () => void this.#bringBack(server, level));
  }

  /** `level`: as a synchronisation would have left it at that moment. Otherwise as it is, which may be refused. */
  async #bringBack(server: SimServer, level: boolean): Promise<void> {
    const cluster = this.#nodes.current?.cluster;
    if (cluster === undefined || cluster.membership.entry(server.id)?.state === 'active') return;
    if (level) {
      server.beforeInspection = () => {
        const source = this.#servers.find(({ id }) => id === cluster.primary.id);
        if (cluster === this.#nodes.current?.cluster && source?.up && source !== server)
          server.copyFrom(source);
      };
    }
    await this.#operate('activate', server);
    server.beforeInspection = undefined;
  }

  async #operate(action: 'switchPrimary' | 'deactivate' | 'activate', server: SimServer): Promise<void> {
    const node = this.#nodes.current;
    if (node === undefined) return;
    const { story } = this.#world;
    story.tell('operator', `${action} ${server.id}`);
    try {
      if (action === 'deactivate')
        await node.machine.orDeath(node.cluster.deactivate(server.id, 'by an operator'));
      else await node.machine.orDeath(node.cluster[action](server.id));
      story.tell('operator', `${action} ${server.id}: done`);
    } catch (error) {
      story.tell('operator', `${action} ${server.id}: ${messageOf(error)}`);
    }
  }

  /** The primary as often as all others together. */
  #member(): SimServer {
    const primary = this.#nodes.current?.cluster.primary.id;
    const found = this.#servers.find(({ id }) => id === primary);
    return found !== undefined && this.#random.happens(0.4) ? found : this.#random.pick(this.#servers);
  }

  #later(ms: number, act: () => void): void {
    this.#world.clock.after(ms, () => {
      if (!this.#over) act();
    });
  }
}
