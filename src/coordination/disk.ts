/** The few things that a state store does to a disk, so that a simulated one can stand in and fail between any two of them. */
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LockstepError } from '../base/index.ts';
import { systemCodeOf } from './system-code.ts';

export interface Disk {
  /** The whole file, or undefined when there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Creates or replaces the file, for its owner only, and resolves once its content is on the platter. Not atomic. */
  writeDurably(path: string, data: Uint8Array): Promise<void>;
  /** Atomic. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Durable only after `syncDirectory`. No error when there is none. */
  remove(path: string): Promise<void>;
  /** Makes the directory, for its owner only, or checks the one that is there. */
  makeDirectory(path: string): Promise<void>;
}

/** Windows has neither symbolic links that an ordinary user can plant, nor directories that can be synced. */
const POSIX = process.platform !== 'win32';
const NO_FOLLOW = POSIX ? constants.O_NOFOLLOW : 0;

export const realDisk: Disk = {
  async read(path) {
    const handle = await open(path, constants.O_RDONLY | NO_FOLLOW).catch((error: unknown) => {
      if (systemCodeOf(error) === 'ENOENT') return undefined;
      throw systemCodeOf(error) === 'ELOOP' ? symbolicLink(path) : error;
    });
    if (handle === undefined) return undefined;
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  },

  async writeDurably(path, data) {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | NO_FOLLOW;
    const handle = await open(path, flags, 0o600).catch((error: unknown) => {
      throw systemCodeOf(error) === 'ELOOP' ? symbolicLink(path) : error;
    });
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  rename,

  remove: (path) => rm(path, { force: true }),

  async syncDirectory(path) {
    if (!POSIX) return;
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },

  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) await syncParents(resolve(path), resolve(first));
    const found = await lstat(path);
    if (found.isSymbolicLink()) throw symbolicLink(path);
    if (POSIX && (found.mode & 0o022) !== 0) {
      throw new LockstepError({
        code: 'coordination.state-unguarded',
        message: `the state directory ${path} can be written by other users of this machine`,
        hint: `run: chmod go-w ${path}`,
      });
    }
  },
};

/** A directory is durable once its parent has been synced; `first` is the topmost one that was made. */
async function syncParents(path: string, first: string): Promise<void> {
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await realDisk.syncDirectory(dirname(made));
  }
}

function symbolicLink(path: string): LockstepError {
  return new LockstepError({
    code: 'coordination.state-unguarded',
    message: `${path} is a symbolic link, which could be made to point anywhere`,
    hint: 'name the real directory as `state` in the configuration',
  });
}
