/** One history: a cluster, its clients, and what befalls them; then the verdict. All of it follows from the seed. */

import { messageOf } from '../../base/index.ts';
import { Faults } from './faults.ts';
import type { Flaw } from './flaws.ts';
import { History } from './history.ts';
import { judgeHistory } from './judge-history.ts';
import { judgeAcknowledgement, judgeEqual, judgeKeptState, judgeSource } from './judge-members.ts';
import { Nodes } from './nodes.ts';
import { accountStart, drawProfile } from './profile.ts';
import { SeededRandom } from './seeded-random.ts';
import { answerWithinMs, SimClient } from './sim-client.ts';
import { SimServer } from './sim-server.ts';
import { StateDisk } from './sim-state-store.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Makes a simulated part wrong in this way: the verdict should notice. */
  readonly flaw?: Flaw;
}

export interface Verdict {
  readonly seed: number;
  /** Empty: every promise was kept. */
  readonly violations: readonly string[];
  /** What happened up to the first violation, or the end: a line for each event. */
  readonly story: readonly string[];
  /** Of the whole story: equal runs have equal digests. */
  readonly digest: number;
  readonly transactions: number;
  readonly acknowledged: number;
  readonly virtualMs: number;
}

/** Time for everything to come to rest once nothing goes wrong any more. */
const restMs = 10_000;
const verificationsMax = 40;
const verificationPauseMs = 37;

export async function simulate({ seed, flaw }: SimulationOptions): Promise<Verdict> {
  const random = new SeededRandom(seed);
  const profile = drawProfile(random.fork());
  const world = new World(random, profile, flaw);
  const onUnhandled = (error: unknown): void =>
    world.violated('engine', `a promise was rejected and nobody cared: ${String((error as Error).stack)}`);
  process.on('unhandledRejection', onUnhandled);
  try {
    return await new Simulation(world, random).run(seed);
  } finally {
    process.off('unhandledRejection', onUnhandled);
  }
}

class Simulation {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #history: History;
  readonly #disk: StateDisk;
  readonly #nodes: Nodes;
  readonly #faults: Faults;
  readonly #clients: readonly SimClient[];

  constructor(world: World, random: SeededRandom) {
    const { profile } = world;
    this.#world = world;
    this.#servers = profile.members.map((id) => new SimServer(id, world));
    for (const server of this.#servers) {
      for (let i = 0; i < profile.accounts; i++) server.rows.set(`account${i}`, accountStart);
      for (let i = 0; i < profile.lists; i++) server.rows.set(`list${i}`, '');
    }
    this.#history = new History(world);
    this.#disk = new StateDisk(world);
    this.#disk.onKept = (state) => judgeKeptState(world, this.#servers, state, this.#history);
    this.#nodes = new Nodes(world, this.#servers, this.#disk, this.#history);
    this.#faults = new Faults(world, this.#servers, this.#nodes, this.#disk, random.fork());
    this.#nodes.onSync = (target, source) => this.#faults.onSync(target, source);
    this.#nodes.onCopied = (source, rows, moment) =>
      judgeSource(world, this.#history, { source, rows, moment });
    this.#clients = Array.from({ length: profile.clients }, (_, i) => this.#client(`c${i}`, random));
  }

  async run(seed: number): Promise<Verdict> {
    const { profile, clock } = this.#world;
    await this.#allTogether();
    // What nobody waits for any more shows only in what it left behind.
    if (this.#world.violations.length === 0) {
      await this.#rest('in the end');
      await this.#verify();
    }
    if (this.#world.violations.length === 0) {
      this.#judge('in the end');
      this.#nodes.crash();
      await this.#comeToRest('after a restart');
    }
    if (this.#world.violations.length === 0) {
      const late = this.#client('late', new SeededRandom(seed));
      await this.#work([late], 3);
      await this.#comeToRest('after more work');
    }
    const [first] = this.#active();
    if (this.#world.violations.length === 0 && first !== undefined)
      judgeHistory(this.#world, this.#history, first.rows);
    this.#nodes.machine?.die();
    const { violations, story } = this.#world;
    return {
      seed,
      violations: violations.map(({ what }) => what),
      story: story.before(violations[0]?.line ?? story.length),
      digest: story.digest,
      transactions: profile.clients * profile.transactionsEach,
      acknowledged: this.#history.acknowledged,
      virtualMs: clock.monotonicMs(),
    };
  }

  async #allTogether(): Promise<void> {
    const { profile } = this.#world;
    void this.#nodes.start();
    this.#faults.plan(profile.faults);
    await this.#work(this.#clients, profile.transactionsEach);
    this.#faults.heal();
  }

  async #work(clients: readonly SimClient[], transactions: number): Promise<void> {
    const { clock } = this.#world;
    let left = clients.length;
    for (const client of clients) {
      void client.run(transactions).then(() => {
        left -= 1;
      });
    }
    const until = clock.monotonicMs() + 3 * answerWithinMs;
    const ended = await clock.run(() => left === 0 || this.#world.violations.length > 0, until);
    if (ended) return;
    for (const client of clients)
      if (client.doing !== 'nothing') this.#world.violated('G10', `${client.name} is still ${client.doing}`);
  }

  /** Waits until nothing is under way, then compares. */
  async #comeToRest(when: string): Promise<void> {
    if (await this.#rest(when)) this.#judge(when);
  }

  /** Nothing is under way, and whoever should come back is back. False: that does not come, and it was said. */
  async #rest(when: string): Promise<boolean> {
    const world = this.#world;
    const { clock } = world;
    let since = Infinity;
    const atRest = (): boolean => {
      if (this.#unrest().length > 0) since = Infinity;
      else since = Math.min(since, clock.monotonicMs());
      return clock.monotonicMs() - since > 400;
    };
    if (await clock.run(atRest, clock.monotonicMs() + restMs)) return true;
    for (const what of this.#unrest())
      world.violated('G8', `${when}: ${what}, although nothing goes wrong any more`);
    return false;
  }

  #judge(when: string): void {
    const world = this.#world;
    judgeEqual(world, this.#active(), when);
    judgeAcknowledgement(world, this.#servers, this.#disk.kept, this.#history.items.values());
    const held = this.#nodes.current?.ledger.held ?? 0;
    if (held > 0) world.violated('G10', `${when}: ${held} write sets are never released`);
  }

  #unrest(): readonly string[] {
    const node = this.#nodes.current;
    if (node === undefined) return ['no node serves'];
    const { order, membership, sync } = node.cluster;
    return [
      ...(order.waiting > 0 ? [`${order.waiting} commits wait`] : []),
      ...membership.members
        .filter(({ state }) => state === 'inactive' || state === 'new')
        .map(({ id, reason }) => `${id} does not come back (${reason})`),
      // One that an operator took out may be on its way back, too.
      ...membership.members
        .filter(({ id }) => sync.statusOf(id)?.state === 'running')
        .map(({ id }) => `${id} is being synchronised`),
    ];
  }

  /** An operator has everything compared. What strangers wrote to a member is found by that, and taken away. */
  async #verify(): Promise<void> {
    const world = this.#world;
    const { clock } = world;
    let found = 'nothing';
    for (let tries = 0; tries < verificationsMax && world.violations.length === 0; tries++) {
      const { verification } = this.#nodes.current?.cluster ?? {};
      if (verification === undefined || this.#active().length < 2) return;
      let outcome: string | undefined;
      void verification.run().then(
        (verified) => (outcome = verified.outcome),
        (error: unknown) => (outcome = messageOf(error)),
      );
      await clock.run(() => outcome !== undefined, clock.monotonicMs() + restMs);
      if (outcome === 'equal') return;
      found = outcome ?? 'no end';
      await this.#decide();
      // One of the schedule's may be under way.
      await clock.run(() => false, clock.monotonicMs() + verificationPauseMs);
      await this.#rest('after a verification');
    }
    if (world.violations.length === 0) world.violated('G2', `verification finds ${found}, again and again`);
  }

  /** A person says who is right, where nobody agrees with the primary. */
  async #decide(): Promise<void> {
    const { cluster } = this.#nodes.current ?? {};
    const contest = cluster?.verification.contest;
    if (cluster === undefined || contest === undefined) return;
    const { clock, random, story } = this.#world;
    const [other = ''] = contest.members;
    const wrong = random.happens(0.5) ? contest.members : [contest.primary];
    const decided = async (): Promise<void> => {
      if (wrong[0] === contest.primary) await cluster.moves.switchPrimary(other);
      for (const id of wrong)
        if (cluster.membership.entry(id)?.state === 'active')
          await cluster.moves.takeOutDiffering(new Map([[id, 'an operator has it repaired']]));
    };
    story.tell('operator', `says that ${wrong.join(', ')} must be repaired`);
    let over = false;
    void decided().then(
      () => (over = true),
      (error: unknown) => {
        story.tell('operator', messageOf(error));
        over = true;
      },
    );
    await clock.run(() => over, clock.monotonicMs() + restMs);
  }

  #active(): readonly SimServer[] {
    const active = this.#nodes.current?.cluster.membership.active ?? [];
    return this.#servers.filter(({ id }) => active.includes(id));
  }

  #client(name: string, random: SeededRandom): SimClient {
    return new SimClient(name, {
      world: this.#world,
      nodes: this.#nodes,
      history: this.#history,
      random: random.fork(),
      onAcknowledged: (item) => judgeAcknowledgement(this.#world, this.#servers, this.#disk.kept, [item]),
    });
  }
}
