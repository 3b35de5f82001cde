/** The life of the node: started from the disk and the members, lost at any instant, replaced by its successor. */

import { deferred, LockstepError, messageOf } from '../../base/index.ts';
import type { Deferred } from '../../base/index.ts';
import { startCluster } from '../../cluster/index.ts';
import type { Cluster } from '../../cluster/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { EngineEventBody } from '../../telemetry/index.ts';
import type { History } from './history.ts';
import { Machine, MachineDied } from './machine.ts';
import { SimDataSync } from './sim-data-sync.ts';
import type { SimDataSyncOptions } from './sim-data-sync.ts';
import { SimKeptRows } from './sim-kept-rows.ts';
import { SimMember } from './sim-member.ts';
import type { SimServer } from './sim-server.ts';
import type { StateDisk } from './sim-state-store.ts';
import type { World } from './world.ts';
import { WriteSetLedger } from './write-set-ledger.ts';

export interface RunningNode {
  readonly machine: Machine;
  readonly cluster: Cluster;
  readonly ledger: WriteSetLedger;
}

export class Nodes {
  readonly #world: World;
  readonly #servers: readonly SimServer[];
  readonly #disk: StateDisk;
  readonly #history: History;
  /** A synchronisation has begun. */
  onSync: (target: string, source: string | undefined) => void = () => undefined;
  onCopied: SimDataSyncOptions['onCopied'] = () => undefined;
  /** Those that were replaced and do not know it. */
  readonly #outdated = new Set<Machine>();
  #count = 0;
  #current: RunningNode | undefined;
  #coming: Deferred<RunningNode> = deferred();
  #starting: Machine | undefined;

  constructor(world: World, servers: readonly SimServer[], disk: StateDisk, history: History) {
    this.#world = world;
    this.#servers = servers;
    this.#disk = disk;
    this.#history = history;
  }

  get current(): RunningNode | undefined {
    return this.#current;
  }

  /** The machine that serves or is about to. */
  get machine(): Machine | undefined {
    return this.#current?.machine ?? this.#starting;
  }

  /** No other node is still at work. */
  get alone(): boolean {
    return this.#outdated.size === 0;
  }

  running(): Promise<RunningNode> {
    return this.#coming.promise;
  }

  /** Tries until a node serves. */
  async start(): Promise<void> {
    for (;;) {
      const machine = new Machine(`node${++this.#count}`, this.#world);
      this.#starting = machine;
      try {
        const node = await machine.orDeath(this.#boot(machine));
        this.#starting = undefined;
        this.#current = node;
        this.#world.story.tell(machine.name, `serves in term ${node.cluster.term}`);
        this.#coming.resolve(node);
        return;
      } catch (error) {
        const expected =
          error instanceof LockstepError || error instanceof MemberError || error instanceof MachineDied;
        if (!expected) this.#world.violated('engine', `the start failed: ${String((error as Error).stack)}`);
        this.#world.story.tell(machine.name, `does not start: ${messageOf(error)}`);
        this.#lost(machine);
        await this.#world.pause(20);
      }
    }
  }

  crash(): void {
    const { machine } = this;
    if (machine !== undefined) this.#end(machine);
  }

  /** Another node starts from the same state while this one still believes that it serves. It ends some time later. */
  replace(): void {
    const old = this.#current;
    if (old === undefined) return;
    this.#world.story.tell(old.machine.name, 'is replaced and does not know it');
    this.#outdated.add(old.machine);
    old.machine.onDeath(() => this.#outdated.delete(old.machine));
    this.#retire();
    void this.start();
    this.#world.clock.after(this.#world.random.between(20, 300), () => this.#lost(old.machine));
  }

  #end(machine: Machine): void {
    const serving = this.#current?.machine === machine;
    if (serving) this.#retire();
    this.#lost(machine);
    if (!serving) return;
    const { clock, random } = this.#world;
    clock.after(random.between(1, 100), () => void this.start());
  }

  #retire(): void {
    this.#history.nodeLosses.push(this.#world.moment());
    this.#current = undefined;
    this.#coming = deferred();
  }

  #lost(machine: Machine): void {
    if (!machine.alive) return;
    machine.die();
    this.#history.nodeLosses.push(this.#world.moment());
  }

  async #boot(machine: Machine): Promise<RunningNode> {
    const world = this.#world;
    const { settings } = world.profile;
    const ledger = new WriteSetLedger(world);
    const cluster = await startCluster({
      settings,
      world: {
        clock: machine.clock,
        random: () => world.random.next(),
        store: this.#disk.open(machine),
        raise: (event) => {
          if (machine.alive) this.#heard(machine, event);
        },
      },
      members: this.#servers.map((server) => ({
        member: new SimMember(world, machine, server, ledger),
        url: `sim://${server.id}`,
        weight: 1,
      })),
      proveEqual: () => Promise.resolve([]),
      source: undefined,
      trust: undefined,
      tools: {
        data: new SimDataSync({ world, onCopied: this.onCopied }),
        keepRows: () => new SimKeptRows(),
        prepare: () => Promise.resolve(),
        note: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      },
    });
    await cluster.open();
    // The process ends when it finds that it has been replaced.
    cluster.stopped.addEventListener('abort', () => world.clock.after(2, () => this.#end(machine)));
    return { machine, cluster, ledger };
  }

  #heard(machine: Machine, event: EngineEventBody): void {
    const { type, ...said } = event;
    const world = this.#world;
    world.story.tell(machine.name, `${type} ${JSON.stringify(said).replaceAll('"', '')}`);
    if (event.type === 'record-refused' && event.done.includes('it did not happen'))
      this.#history.revoked.push(world.unsuspected(event.csn));
    if (event.type === 'sync-started') this.onSync(event.member, event.source);
    if (event.type === 'member-differs' && world.directWrites === 0)
      world.violated('G2', `${event.member} differs, although nobody has written to it: ${event.difference}`);
    if (event.type === 'primary-differs' && world.directWrites === 0)
      world.violated('G2', `${event.primary} differs from all others, although nobody has written to any`);
    if (event.type === 'primary-switched' && event.reason.startsWith('it differs'))
      world.violated('G5', `${event.from} is no primary any more, because others outvoted it`);
    if (event.type === 'internal-error' && (event.where === 'inquiry' || event.where === 'verification'))
      world.violated('engine', `${event.where}: ${event.error}`);
  }
}
