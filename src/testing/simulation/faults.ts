/** What goes wrong, and when: drawn from the seed, each at a message of its own, so that it can strike between any two. */

import { messageOf } from '../../base/index.ts';
import type { Nodes } from './nodes.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Backup, SimServer } from './sim-server.ts';
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
  { weight: 1, strike: (faults) => faults.tearState() },
  { weight: 2, strike: (faults) => faults.cutOff() },
  { weight: 2, strike: (faults) => faults.cutOffOne() },
  { weight: 1, strike: (faults) => faults.fillDisk() },
  { weight: 1, strike: (faults) => faults.breakStateDisk() },
  { weight: 2, strike: (faults) => faults.operator('switchPrimary') },
  { weight: 1, strike: (faults) => faults.operator('deactivate') },
  { weight: 2, strike: (faults) => faults.restoreOlder() },
  { weight: 1, strike: (faults) => faults.replaceByEmpty() },
  { weight: 1, strike: (faults) => faults.replaceByForeign() },
  { weight: 1, strike: (faults) => faults.writeDirectly() },
  { weight: 1, strike: (faults) => faults.setDate() },
  { weight: 3, strike: (faults) => faults.refuseRecord() },
  { weight: 2, strike: (faults) => faults.writeToPrimary() },
];

/** Steps within which the faults of a history strike: about as many as a history without faults has. */
const spread = 900;

export class Faults {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #nodes: Nodes;
  readonly #disk: StateDisk;
  readonly #random: SeededRandom;
  readonly #strikes = new Map<number, Strike>();
  readonly #backups = new Map<string, Backup>();
  /** What stood at the address of a member before a stranger's did. */
  readonly #aside = new Map<SimServer, Backup>();
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
    const strikes = this.#strikes;
    const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
    for (let i = 0; i < count; i++) {
      let left = this.#random.below(total);
      const kind = kinds.find(({ weight }) => (left -= weight) < 0);
      if (kind !== undefined) strikes.set(1 + this.#random.below(spread), kind.strike);
    }
    for (const server of this.#servers)
      strikes.set(1 + this.#random.below(spread / 2), () => this.#backUp(server));
    this.#world.onStep = (step) => {
      const strike = strikes.get(step);
      // Not in the middle of whatever sends the message: right after it.
      if (strike !== undefined) this.#later(0, () => strike(this));
    };
  }

  /** Everything works again, and stays so. */
  heal(): void {
    this.#over = true;
    this.#disk.failsFor = 0;
    this.#disk.mend();
    this.#nodes.machine?.reconnect();
    for (const server of this.#servers) {
      server.diskFullFor = 0;
      server.thaw();
      this.#putBack(server);
      server.restart();
    }
  }

  /** A synchronisation has begun: now and then something happens to one of those who take part. */
  onSync(target: string, source: string | undefined): void {
    if (this.#over || !this.#random.happens(0.4)) return;
    const strike: Strike = this.#random.pick([
      () => this.crashMember(this.#server(target)),
      () => this.crashMember(this.#server(source ?? target)),
      () => this.crashNode(),
      () => this.#freeze(this.#server(target), 300),
      () => this.#freeze(this.#server(source ?? target), 300),
      () => this.fillDisk(this.#server(target)),
      () => this.breakStateDisk(),
    ]);
    const within = this.#random.pick([10, 30, 90]);
    this.#strikes.set(this.#world.steps + 1 + this.#random.below(within), strike);
  }

  crashMember(server: SimServer = this.#member()): void {
    server.crash();
    this.#later(this.#random.between(5, 800), () => {
      server.restart();
    });
  }

  freezeMember(): void {
    this.#freeze(this.#member(), this.#random.pick([10, 150, 400, 1500]));
  }

  #freeze(server: SimServer, ms: number): void {
    server.freeze();
    this.#later(ms, () => server.thaw());
  }

  #backUp(server: SimServer): void {
    if (server.marks !== undefined) this.#backups.set(server.id, server.backup());
  }

  restoreOlder(): void {
    this.#changeWhileOut((server) => {
      const backup = this.#backups.get(server.id);
      if (backup !== undefined) server.restore(backup);
    });
  }

  replaceByEmpty(): void {
    this.#changeWhileOut((server) => server.replaceByEmpty());
  }

  /** For a while another cluster's database answers at a member's address. */
  replaceByForeign(): void {
    this.#changeWhileOut((server) => {
      this.#aside.set(server, server.backup());
      server.replaceByForeign();
      this.#later(this.#random.between(50, 1500), () => {
        this.#putBack(server);
        server.restart();
      });
    });
  }

  /** What no client reads: nobody is protected from that, but it has to be found. */
  writeDirectly(): void {
    this.#changeWhileOut((server) =>
      server.writeDirectly('stray', this.#random.below(1000), this.#random.happens(0.3)),
    );
  }

  /** A record that the primary could make and no replica can. */
  refuseRecord(): void {
    this.#world.refuseNext = this.#random.pick([
      { blame: 'client', sqlState: '23514' },
      { blame: 'unfit', sqlState: 'XX000' },
    ] as const);
    if (this.#random.happens(0.4)) this.#member().refusesDiff = true;
  }

  /** While it serves: nobody else has that row, as where capture has a hole. */
  writeToPrimary(): void {
    const primary = this.#nodes.current?.cluster.primary.id;
    const server = this.#servers.find(({ id }) => id === primary);
    if (server?.up === true)
      server.writeDirectly('stray', this.#random.below(1000), this.#random.happens(0.3));
  }

  #putBack(server: SimServer): void {
    const before = this.#aside.get(server);
    this.#aside.delete(server);
    if (before === undefined) return;
    server.crash();
    server.restore(before);
  }

  /** A member goes down, and if the cluster has recorded that it goes on without it, it comes back as another. */
  #changeWhileOut(change: (server: SimServer) => void): void {
    const server = this.#member();
    server.crash();
    this.#later(this.#random.between(100, 1500), () => {
      if (!server.up && this.#isOut(server) && !this.#aside.has(server)) change(server);
      server.restart();
    });
  }

  /** For everybody: a node that was replaced may not know it, and one whose record failed goes on as before. */
  #isOut({ id }: SimServer): boolean {
    const { current, alone } = this.#nodes;
    const remembered = this.#disk.kept?.members.find((member) => member.id === id);
    return alone && remembered?.active === false && current?.cluster.membership.entry(id)?.state !== 'active';
  }

  /** Killed while it wrote, on a disk that does not keep its word. */
  tearState(): void {
    if (!this.#hasServed()) return;
    this.#disk.tear();
    this.#nodes.crash();
    this.#later(this.#random.between(50, 800), () => {
      if (this.#disk.torn && this.#random.happens(0.5)) this.#disk.lose();
      this.#disk.mend();
    });
  }

  /** Until then members have data, and nothing in them says whose it is: that is for an operator to know. */
  #hasServed(): boolean {
    return this.#disk.kept !== undefined && this.#disk.kept.version > 1;
  }

  setDate(): void {
    this.#world.clock.jump(this.#random.between(-1e9, 1e9));
  }

  crashNode(): void {
    // Memory only: with a member silent the members' marks prove nothing, and the start rightly waits for it.
    if (this.#random.happens(0.1) && this.#hasServed()) this.#disk.lose();
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
    machine?.cutOffFrom(
      this.#servers.map(({ id }) => id),
      'both',
    );
    this.#later(this.#random.pick([20, 300, 1500]), () => machine?.reconnect());
  }

  cutOffOne(): void {
    const { machine } = this.#nodes;
    machine?.cutOffFrom([this.#member().id], this.#random.pick(['both', 'answers'] as const));
    this.#later(this.#random.pick([20, 300, 1500]), () => machine?.reconnect());
  }

  fillDisk(server: SimServer = this.#member()): void {
    server.diskFullFor = 1 + this.#random.below(3);
    this.#world.story.tell(server.id, 'has a full disk');
  }

  breakStateDisk(): void {
    this.#disk.failsFor = 1 + this.#random.below(3);
    this.#world.story.tell('disk', `will fail ${this.#disk.failsFor} times`);
  }

  operator(action: 'switchPrimary' | 'deactivate'): void {
    const server = this.#random.pick(this.#servers);
    void this.#operate(action, server);
    if (action === 'deactivate' && this.#random.happens(0.8))
      this.#later(this.#random.between(5, 400), () => void this.#operate('activate', server));
  }

  async #operate(action: 'switchPrimary' | 'deactivate' | 'activate', server: SimServer): Promise<void> {
    const node = this.#nodes.current;
    if (node === undefined) return;
    const { story } = this.#world;
    story.tell('operator', `${action} ${server.id}`);
    try {
      if (action === 'deactivate')
        await node.machine.orDeath(node.cluster.moves.deactivate(server.id, 'by an operator'));
      else await node.machine.orDeath(node.cluster.moves[action](server.id));
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

  #server(id: string): SimServer {
    return this.#servers.find((server) => server.id === id) ?? this.#member();
  }

  #later(ms: number, act: () => void): void {
    this.#world.clock.after(ms, () => {
      if (!this.#over) act();
    });
  }
}
