/**
 * The state of a node in one small file.
 *
 * A save writes a new file beside the old one, syncs it, renames it over the old one and syncs the directory. Killed at
 * any instant, the old or the new state is found whole:
 *
 * | killed                      | `node.state` | `node.state.new`                 |
 * |-----------------------------|--------------|----------------------------------|
 * | while writing the new file  | old          | torn; overwritten by the next save |
 * | before the rename           | old          | new; overwritten by the next save |
 * | before the directory sync   | old or new   | new or gone                      |
 * | after it                    | new          | gone                             |
 */
import { join } from 'node:path';
import { invariant, LockstepError, messageOf } from '../base/index.ts';
import { realDisk } from './disk.ts';
import type { Disk } from './disk.ts';
import type { NodeState } from './node-state.ts';
import { decodeState, encodeState } from './state-codec.ts';
import { systemLock } from './state-lock.ts';
import type { Release, StateLock } from './state-lock.ts';
import type { StateStore } from './state-store.ts';

const FILE = 'node.state';
const NEW_FILE = 'node.state.new';

export interface FileStateIo {
  readonly disk: Disk;
  readonly lock: StateLock;
}

export class FileStateStore implements StateStore {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #release: Release;
  /** The end of the queue of saves; never rejects. */
  #queue: Promise<void> = Promise.resolve();
  /** The highest numbers that were ever read or written here. Saving lower ones would undo history. */
  #newest: Pick<NodeState, 'term' | 'version'> = { term: 0, version: 0 };
  #closed = false;

  /** Makes the directory when it is missing, and takes its lock. */
  static async open(
    directory: string,
    io: FileStateIo = { disk: realDisk, lock: systemLock },
  ): Promise<FileStateStore> {
    await io.disk.makeDirectory(directory);
    return new FileStateStore(directory, io.disk, await io.lock(directory));
  }

  private constructor(directory: string, disk: Disk, release: Release) {
    this.#directory = directory;
    this.#disk = disk;
    this.#release = release;
  }

  async load(): Promise<NodeState | undefined> {
    const path = join(this.#directory, FILE);
    const bytes = await this.#disk.read(path);
    if (bytes === undefined) return undefined;
    const state = decodeState(bytes);
    if ('fault' in state) throw damaged(path, state.fault);
    this.#remember(state);
    return state;
  }

  save(state: NodeState): Promise<void> {
    invariant(!this.#closed, 'a state store that was closed is not written to');
    invariant(state.term >= this.#newest.term, `term ${this.#newest.term} does not become ${state.term}`);
    invariant(
      state.version >= this.#newest.version,
      `membership version ${this.#newest.version} does not become ${state.version}`,
    );
    this.#remember(state);
    const saved = this.#queue.then(() => this.#write(state));
    this.#queue = saved.catch(() => {});
    return saved;
  }

  /** Nothing is remembered any more: the next start is a first one. For a cluster that has been taken apart. */
  async forget(): Promise<void> {
    await this.#queue;
    await this.#disk.remove(join(this.#directory, FILE));
    await this.#disk.syncDirectory(this.#directory);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue;
    await this.#release();
  }

  async #write(state: NodeState): Promise<void> {
    const fresh = join(this.#directory, NEW_FILE);
    try {
      await this.#disk.writeDurably(fresh, encodeState(state));
      await this.#disk.rename(fresh, join(this.#directory, FILE));
      await this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      throw new LockstepError({
        code: 'coordination.state-not-saved',
        message: `the state could not be written to ${this.#directory}: ${messageOf(error)}`,
        outcome: 'unknown',
        retryable: true,
        hint: 'no change of membership takes effect until this directory can be written: check space, rights and the disk',
        cause: error,
      });
    }
  }

  #remember(state: NodeState): void {
    this.#newest = { term: state.term, version: state.version };
  }
}

function damaged(path: string, fault: string): LockstepError {
  return new LockstepError({
    code: 'coordination.state-damaged',
    message: `the state file ${path} cannot be used: ${fault}. It is not taken for a first start, because then a member that missed commits could be trusted`,
    hint: `put back a copy of the file; or, if it is lost, find out which member is up to date, move ${path} away and name that member as \`source\``,
  });
}
