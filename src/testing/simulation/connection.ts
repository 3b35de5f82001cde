/**
 * One connection between a node and a server: messages arrive late, in order, or not at all. A broken connection leaves
 * the node without an answer; what had been sent may still be carried out.
 */

import { deferred } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Machine } from './machine.ts';
import { BackendEnded } from './sim-server.ts';
import type { Backend, SimServer } from './sim-server.ts';
import type { World } from './world.ts';

const connectMs = 200;

export class Connection {
  readonly server: SimServer;
  readonly backend: Backend;
  readonly #world: World;
  readonly #machine: Machine;
  readonly #pending = new Set<Deferred<unknown>>();
  readonly #arriveAtMs = { server: 0, node: 0 };
  readonly #forgetDeath: () => void;
  readonly #onLost: (error: MemberError) => void;
  /** What the server does for this connection, one thing after another. */
  #turn: Promise<unknown> = Promise.resolve();
  /** What was on its way when the connection broke never arrives. */
  #swallowed = false;
  #lost: MemberError | undefined;

  static async open(
    world: World,
    machine: Machine,
    server: SimServer,
    onLost: (error: MemberError) => void = () => undefined,
  ): Promise<Connection> {
    if (!machine.alive) return never();
    world.step();
    await world.pause(2 * latency(world));
    if (!machine.alive) return never();
    const cutOff = machine.cutOff(server.id);
    if (!cutOff && !server.up)
      throw new MemberError(server.id, 'gone', `member ${server.id}: connect ECONNREFUSED`);
    if (cutOff || server.frozen) {
      await world.pause(connectMs);
      if (!machine.alive) return never();
      throw new MemberError(server.id, 'gone', `member ${server.id}: no connection within ${connectMs} ms`);
    }
    return new Connection(world, machine, server, onLost);
  }

  private constructor(
    world: World,
    machine: Machine,
    server: SimServer,
    onLost: (error: MemberError) => void,
  ) {
    this.server = server;
    this.#world = world;
    this.#machine = machine;
    this.#onLost = onLost;
    this.backend = server.connect(machine.name);
    this.backend.onEnd = () => this.#toNode(() => this.lose('the connection was closed by the server'));
    this.#forgetDeath = machine.onDeath(() => this.#breakOff(this.#world.random.happens(0.5)));
  }

  get lost(): MemberError | undefined {
    return this.#lost;
  }

  /** Has the server do something. Rejects with MemberError 'gone' when the connection breaks; then it may be done or not. */
  call<T>(work: (backend: Backend) => Promise<T>): Promise<T> {
    if (!this.#machine.alive) return never();
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const answer = deferred<T>();
    this.#pending.add(answer);
    this.#toServer(() => this.#carryOut(work, answer));
    const { random, profile } = this.#world;
    if (random.happens(profile.cutRate)) {
      const ms = random.between(0, 6 * profile.latencyMs);
      this.#world.clock.after(ms, () => this.cut('the connection was reset'));
    }
    return answer.promise;
  }

  /** From the server, ahead of the answer to the call under way. */
  push(deliver: () => void): void {
    this.#toNode(deliver);
  }

  /** Orderly: what was sent is carried out, then the server ends. */
  close(): void {
    if (this.#lost !== undefined || !this.#machine.alive) return;
    this.lose('closed by Lockstep');
  }

  /** The network breaks it. */
  cut(why: string): void {
    if (this.#lost !== undefined || !this.#machine.alive) return;
    this.#world.story.tell(this.#machine.name, `loses a connection to ${this.server.id}`);
    this.#breakOff(this.#world.random.happens(0.5));
    this.#fail(why);
  }

  /** The node gives it up: what has been sent is carried out, then the server notices. */
  lose(why: string, error?: MemberError): void {
    if (this.#lost !== undefined) return;
    this.#breakOff(false);
    this.#fail(why, error);
  }

  #fail(why: string, error?: MemberError): void {
    const lost = error ?? new MemberError(this.server.id, 'gone', `member ${this.server.id}: ${why}`);
    this.#lost = lost;
    this.#forgetDeath();
    for (const answer of this.#pending) answer.reject(lost);
    this.#pending.clear();
    this.#onLost(lost);
  }

  #breakOff(swallow: boolean): void {
    this.#swallowed = swallow;
    // The server works off what has arrived, and notices the end when it wants to read on.
    this.#send('server', () => {
      this.#turn = this.#turn
        .then(() => this.server.work(this.backend, 0.05))
        .then(
          () => this.server.end(this.backend),
          () => undefined,
        );
    });
  }

  #carryOut<T>(work: (backend: Backend) => Promise<T>, answer: Deferred<T>): void {
    if (this.#swallowed) return;
    const { backend, server } = this;
    this.#turn = this.#turn.then(async () => {
      try {
        await server.work(backend, 0.05);
        const value = await work(backend);
        this.#toNode(() => this.#settle(answer, () => answer.resolve(value)));
      } catch (error) {
        if (error instanceof BackendEnded) return;
        if (!(error instanceof MemberError)) throw error;
        this.#toNode(() => this.#settle(answer, () => answer.reject(error)));
      }
    });
    this.#turn.catch((error: unknown) => this.#world.violated('simulation', String((error as Error).stack)));
  }

  #settle<T>(answer: Deferred<T>, settle: () => void): void {
    if (this.#lost !== undefined) return;
    this.#pending.delete(answer);
    settle();
  }

  #toServer(deliver: () => void): void {
    this.#world.step();
    this.#send('server', deliver);
  }

  #toNode(deliver: () => void): void {
    this.#send('node', () => {
      if (this.#machine.alive && this.#lost === undefined) deliver();
    });
  }

  #send(to: 'server' | 'node', deliver: () => void): void {
    const { clock } = this.#world;
    // Never at the same instant as the one before it: the order of two events of one instant is left to chance.
    const at = Math.max(this.#arriveAtMs[to] + 1e-6, clock.monotonicMs() + latency(this.#world));
    this.#arriveAtMs[to] = at;
    clock.after(at - clock.monotonicMs(), () => this.#machine.pass(this.server.id, to, deliver));
  }
}

function latency(world: World): number {
  const { random, profile } = world;
  return profile.latencyMs * (random.happens(0.02) ? 10 : random.between(0.3, 1.2));
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
