import { basename } from 'node:path';
import type { Disk } from '../../src/coordination/index.ts';

/** Thrown where the power goes: nothing after it is executed. */
export class PowerCut extends Error {}

/** When the power goes, and what the disk makes of what was not yet synced. */
export interface CutPlan {
  /** The step before which the power goes; steps are counted from 0. */
  readonly beforeStep: number;
  /** Of a file that is being written: how many bytes of the new content arrived. */
  readonly bytesKept: number;
  /** Whether renames that were not yet synced are found done. */
  readonly renamesKept: boolean;
}

/**
 * A disk with a volatile layer. Each operation is a few steps; the power can go before any of them. Afterwards
 * `survivors` is what a restarted machine finds.
 */
export class SimulatedDisk implements Disk {
  readonly steps: string[] = [];
  readonly #plan: CutPlan | undefined;
  /** Names as programs see them, and as the platter knows them. */
  #visible: Map<string, Uint8Array>;
  #durable: Map<string, Uint8Array>;

  constructor(files: ReadonlyMap<string, Uint8Array> = new Map(), plan?: CutPlan) {
    this.#visible = new Map(files);
    this.#durable = new Map(files);
    this.#plan = plan;
  }

  survivors(): ReadonlyMap<string, Uint8Array> {
    return this.#plan?.renamesKept === true ? this.#visible : this.#durable;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#visible.get(basename(path)));
  }

  // oxlint-disable-next-line require-await
  async writeDurably(path: string, data: Uint8Array): Promise<void> {
    const name = basename(path);
    this.#step('create', () => this.#both(name, new Uint8Array()));
    // A cut in the middle of the writing leaves a beginning of the content, as a torn page would.
    this.#both(name, data.subarray(0, this.#plan?.bytesKept ?? data.length));
    this.#step('write');
    this.#both(name, data);
    this.#step('sync file');
  }

  // oxlint-disable-next-line require-await
  async rename(from: string, to: string): Promise<void> {
    this.#step('rename', () => {
      const data = this.#visible.get(basename(from));
      if (data === undefined) throw new Error('ENOENT');
      this.#visible.delete(basename(from));
      this.#visible.set(basename(to), data);
    });
  }

  // oxlint-disable-next-line require-await
  async remove(path: string): Promise<void> {
    this.#step('remove', () => this.#visible.delete(basename(path)));
  }

  // oxlint-disable-next-line require-await
  async syncDirectory(): Promise<void> {
    this.#step('sync directory', () => {
      this.#durable = new Map(this.#visible);
    });
    this.#step('acknowledge');
  }

  // oxlint-disable-next-line require-await
  async makeDirectory(): Promise<void> {
    this.#step('make directory');
  }

  #both(name: string, data: Uint8Array): void {
    this.#visible.set(name, data);
    this.#durable.set(name, data);
  }

  #step(name: string, act: () => void = () => {}): void {
    if (this.steps.length === this.#plan?.beforeStep) throw new PowerCut(`the power went before: ${name}`);
    this.steps.push(name);
    act();
  }
}
