/**
 * A network of its own for the node: its way to each member, and the clients' way to it, is a cable that can be pulled.
 * Then packets vanish as they do in a real partition: nobody is told, and what was on its way is sent again later. Needs
 * root on Linux, and iproute2.
 */

import { spawnSync } from 'node:child_process';
import { LockstepError } from '../../base/index.ts';
import { atProcessEnd } from '../postgres/keeper.ts';

interface Cable {
  /** The end in this machine's own network. */
  readonly here: string;
  readonly hereAddress: string;
  readonly thereAddress: string;
}

export class NodeNamespace {
  readonly #name: string;
  readonly #cables: readonly Cable[];
  readonly #forget: () => void;

  private constructor(name: string, cables: readonly Cable[]) {
    this.#name = name;
    this.#cables = cables;
    this.#forget = atProcessEnd(() => this.#delete());
  }

  /** Why none can be had here; undefined when one can. */
  static whyNot(): string | undefined {
    if (process.platform !== 'linux') return 'only Linux has network namespaces';
    if (process.getuid?.() !== 0) return 'only root makes network namespaces';
    try {
      new NodeNamespace(nameFor('try'), []).#make().remove();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  static make(members: number): NodeNamespace {
    // For benchmarks of networks, so used by nobody's (RFC 2544); sixteen addresses for each process.
    const base = `198.18.${process.pid & 255}`;
    const first = ((process.pid >> 8) & 15) * 16;
    const cables = Array.from({ length: members + 1 }, (_, at) => ({
      here: `lt${process.pid}h${at}`,
      hereAddress: `${base}.${first + 4 * at + 1}`,
      thereAddress: `${base}.${first + 4 * at + 2}`,
    }));
    const namespace = new NodeNamespace(nameFor('node'), cables);
    try {
      return namespace.#make();
    } catch (error) {
      namespace.remove();
      throw error;
    }
  }

  /** What puts a program into it. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name];
  }

  /** Where the node listens. */
  get nodeAddress(): string {
    return this.#cable(0).thereAddress;
  }

  /** Where this machine answers to the node in the name of the member at this place. */
  memberAddress(place: number): string {
    return this.#cable(place + 1).hereAddress;
  }

  pull(place: number): void {
    ip('link', 'set', this.#cable(place + 1).here, 'down');
  }

  plugIn(place: number): void {
    ip('link', 'set', this.#cable(place + 1).here, 'up');
  }

  remove(): void {
    this.#delete();
    this.#forget();
  }

  #make(): this {
    ip('netns', 'add', this.#name);
    ip('-n', this.#name, 'link', 'set', 'lo', 'up');
    for (const { here, hereAddress, thereAddress } of this.#cables) {
      const there = here.replace('h', 'n');
      ip('link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', this.#name);
      ip('addr', 'add', `${hereAddress}/30`, 'dev', here);
      ip('link', 'set', here, 'up');
      ip('-n', this.#name, 'addr', 'add', `${thereAddress}/30`, 'dev', there);
      ip('-n', this.#name, 'link', 'set', there, 'up');
    }
    return this;
  }

  /** A cable ends with either of its ends. */
  #delete(): void {
    for (const { here } of this.#cables) spawnSync('ip', ['link', 'delete', here]);
    spawnSync('ip', ['netns', 'delete', this.#name]);
  }

  #cable(at: number): Cable {
    const cable = this.#cables[at];
    if (cable === undefined) throw new RangeError(`there is no cable ${at}`);
    return cable;
  }
}

function nameFor(what: string): string {
  return `lockstep-${what}-${process.pid}`;
}

function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', words);
  if (status === 0) return;
  throw new LockstepError({
    code: 'testing.no-namespace',
    message: `ip ${words.join(' ')}: ${error?.message ?? stderr.toString().trim()}`,
  });
}
