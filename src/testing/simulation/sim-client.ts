/** An application: transactions of several kinds, one after another, over one session until that is lost. */

import { LockstepError } from '../../base/index.ts';
import { Session } from '../../cluster/index.ts';
import type { BeginOptions, Work } from '../../cluster/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Answer, AnswerSink } from '../../dialects/contract.ts';
import type { History, Item, Outcome } from './history.ts';
import { MachineDied } from './machine.ts';
import type { Nodes, RunningNode } from './nodes.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { Value } from './sim-write-set.ts';
import type { ToyAnswer, ToyRequest } from './toy-requests.ts';
import type { World } from './world.ts';

/** Longer than any fault lasts. */
export const answerWithinMs = 20_000;

interface Open {
  readonly node: RunningNode;
  readonly session: Session;
  readonly name: string;
}

/** The client has been told that its transaction did not happen, or gives it up. */
class NothingHappened extends Error {}

export class SimClient {
  readonly name: string;
  readonly #world: World;
  readonly #nodes: Nodes;
  readonly #history: History;
  readonly #random: SeededRandom;
  readonly #onAcknowledged: (item: Item) => void;
  #open: Open | undefined;
  #sessions = 0;
  #doing = 'nothing';

  constructor(
    name: string,
    parts: {
      world: World;
      nodes: Nodes;
      history: History;
      random: SeededRandom;
      onAcknowledged: (item: Item) => void;
    },
  ) {
    this.name = name;
    this.#world = parts.world;
    this.#nodes = parts.nodes;
    this.#history = parts.history;
    this.#random = parts.random;
    this.#onAcknowledged = parts.onAcknowledged;
  }

  /** What it waits for, for the report when that never comes. */
  get doing(): string {
    return this.#doing;
  }

  async run(transactions: number): Promise<void> {
    for (let done = 0; done < transactions; done++) {
      await this.#think();
      const open = await this.#session();
      const since = this.#world.clock.monotonicMs();
      await this.#transaction(open);
      const tookMs = this.#world.clock.monotonicMs() - since;
      if (tookMs > answerWithinMs)
        this.#world.violated('G10', `${this.name} waited ${Math.round(tookMs)} ms while ${this.#doing}`);
    }
    this.#open?.session.close();
    this.#open = undefined;
    this.#doing = 'nothing';
  }

  async #session(): Promise<Open> {
    // A node that was replaced still answers for a while, and its clients do not know better.
    if (
      this.#open?.node.machine.alive &&
      this.#open.node !== this.#nodes.current &&
      this.#random.happens(0.8)
    )
      return this.#open;
    this.#doing = 'waiting for a node';
    const node = await this.#nodes.running();
    if (this.#open?.node === node && !this.#random.happens(0.05)) return this.#open;
    if (this.#open?.node.machine.alive) this.#open.session.close();
    const name = `${this.name}.${++this.#sessions}`;
    const session = new Session(
      node.cluster,
      { user: undefined, password: undefined, settings: new Map() },
      this.#world.profile.limits,
      {
        autocommit: () => begin(false, false),
        unasked: () => undefined,
        primaryLost: () => undefined,
        ended: () => undefined,
      },
    );
    this.#open = { node, session, name };
    return this.#open;
  }

  async #transaction(open: Open): Promise<void> {
    const random = this.#random;
    const kind = random.below(10);
    try {
      if (kind < 3) await this.#appendAlone(open);
      else if (kind < 5) await this.#transfer(open);
      else if (kind < 6) await this.#readThenAppend(open);
      else if (kind < 7) await this.#readTwice(open);
      else await this.#look(open, random.happens(0.7) ? undefined : this.#list());
    } catch (error) {
      this.#sessionEnds(open, error);
    }
  }

  #sessionEnds(open: Open, error: unknown): void {
    if (error instanceof MachineDied) {
      this.#open = undefined;
      return;
    }
    this.#world.story.tell(open.name, `is told: ${(error as Error).message}`);
    if (error instanceof LockstepError || error instanceof NothingHappened) return;
    if (!(error instanceof MemberError))
      this.#world.violated('engine', `${open.name}: ${String((error as Error).stack)}`);
    open.session.close();
    this.#open = undefined;
  }

  async #appendAlone(open: Open): Promise<void> {
    const item = this.#history.newItem(this.#list(), open.name);
    const sly = this.#random.happens(0.15);
    await this.#ending(open, item, async () => {
      const request = { op: 'append', key: item.list, item: item.name } as const;
      await this.#ask(open, request, sly ? 'read' : 'write');
    });
  }

  async #transfer(open: Open): Promise<void> {
    const random = this.#random;
    const item = this.#history.newItem(this.#list(), open.name);
    const [from, to] = [
      random.below(this.#world.profile.accounts),
      random.below(this.#world.profile.accounts),
    ];
    const n = 1 + random.below(9);
    const steps: readonly ToyRequest[] = [
      { op: 'add', key: `account${from}`, n: -n },
      { op: 'append', key: item.list, item: item.name },
      { op: 'add', key: `account${to}`, n },
    ];
    await this.#explicit(open, item, random.happens(0.3), steps);
  }

  async #readThenAppend(open: Open): Promise<void> {
    const item = this.#history.newItem(this.#list(), open.name);
    const steps: readonly ToyRequest[] = [
      { op: 'get', key: this.#list() },
      { op: 'append', key: item.list, item: item.name },
    ];
    await this.#explicit(open, item, false, steps);
  }

  async #explicit(
    open: Open,
    item: Item,
    serializable: boolean,
    steps: readonly ToyRequest[],
  ): Promise<void> {
    const { node, session } = open;
    session.begin(begin(false, serializable));
    try {
      for (const step of steps) {
        if (step.op === 'get') await this.#look(open, step.key, 'primary-read');
        else await this.#ask(open, step, 'write');
        if (this.#random.happens(0.3)) await this.#think();
      }
      if (this.#random.happens(0.03)) await this.#ask(open, { op: 'fail' }, 'write');
      if (this.#random.happens(0.05)) throw new NothingHappened('it changed its mind');
    } catch (error) {
      // Nothing was asked to be committed, so whatever has gone wrong, nothing happened.
      this.#history.end(item, 'none');
      if (node.machine.alive) await node.machine.orDeath(session.rollback());
      throw error;
    }
    await this.#ending(open, item, async () => {
      this.#doing = `committing ${item.name}`;
      const outcome = await node.machine.orDeath(session.commit(new Collected()));
      if (outcome !== 'committed') throw new NothingHappened(outcome);
    });
  }

  /** Runs what makes the item last, and notes what the client is told about it. */
  async #ending(open: Open, item: Item, work: () => Promise<void>): Promise<void> {
    let outcome: Outcome = 'unknown';
    const hangsUp = this.#random.happens(0.02);
    if (hangsUp) this.#world.clock.after(this.#random.between(0, 10), () => open.session.close());
    try {
      await work();
      outcome = 'acknowledged';
    } catch (error) {
      if (error instanceof NothingHappened || (error instanceof LockstepError && error.outcome === 'none'))
        outcome = 'none';
      throw error;
    } finally {
      this.#history.end(item, outcome);
      if (outcome === 'acknowledged') this.#onAcknowledged(item);
      if (hangsUp) this.#open = undefined;
    }
  }

  async #readTwice(open: Open): Promise<void> {
    const { node, session } = open;
    session.begin(begin(true, false));
    try {
      await this.#look(open, undefined, 'primary-read');
      await this.#think();
      await this.#look(open, undefined, 'primary-read');
      await node.machine.orDeath(session.commit(new Collected()));
    } catch (error) {
      if (node.machine.alive) await node.machine.orDeath(session.rollback());
      throw error;
    }
  }

  /** Reads one list, or everything, and notes what it saw. */
  async #look(open: Open, list?: string, effect: Work['effect'] = 'read'): Promise<void> {
    const startedAt = this.#world.moment();
    this.#world.story.tell(open.name, `asks for ${list ?? 'everything'}`);
    const answer = await this.#ask(
      open,
      list === undefined ? { op: 'scan' } : { op: 'get', key: list },
      effect,
    );
    const values: Iterable<[string, Value]> =
      list === undefined
        ? Object.entries(answer as Record<string, Value>)
        : [[list, (answer as Value | null) ?? '']];
    this.#history.saw({
      session: open.name,
      startedAt,
      values: new Map(values),
      outdated: this.#nodes.current !== open.node,
    });
  }

  async #ask({ node, session }: Open, request: ToyRequest, effect: Work['effect']): Promise<ToyAnswer> {
    this.#doing = `asking ${JSON.stringify(request)}`;
    const sink = new Collected();
    const answer: Answer = await node.machine.orDeath(session.run({ request, effect, bytes: 20 }, sink));
    if (answer.failed) throw new NothingHappened(`error ${answer.sqlState}`);
    return sink.answer();
  }

  async #think(): Promise<void> {
    await this.#world.pause(this.#random.between(0, 2 * this.#world.profile.thinkMs));
  }

  #list(): string {
    return `list${this.#random.below(this.#world.profile.lists)}`;
  }
}

function begin(readOnly: boolean, serializable: boolean): BeginOptions {
  return { begin: { readOnly, serializable }, readOnly, mayBeRefused: serializable };
}

class Collected implements AnswerSink {
  #bytes = '';

  get passedOn(): boolean {
    return this.#bytes !== '';
  }

  write(bytes: Buffer): boolean {
    this.#bytes += bytes.toString();
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  inputWanted(): void {}

  answer(): ToyAnswer {
    return JSON.parse(this.#bytes) as ToyAnswer;
  }
}
