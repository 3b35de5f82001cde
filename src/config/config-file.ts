/**
 * The configuration file as something that a running node changes: whole or not at all, with its mode and its owner, and
 * only while it is what was read. A crash at any instant leaves the old or the new file, and at most a `.new` beside it
 * that the next change replaces.
 *
 * What remains: somebody who saves the file between the last look and the rename, less than a millisecond, is overwritten.
 */
import { constants } from 'node:fs';
import { access, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LockstepError, messageOf } from '../base/index.ts';

const POSIX = process.platform !== 'win32';

export class ConfigFile {
  readonly text: string;
  /** Of the file itself: a symbolic link stays one. */
  readonly #path: string;

  static async read(path: string): Promise<ConfigFile> {
    try {
      const real = await realpath(path);
      return new ConfigFile(real, await readFile(real, 'utf8'));
    } catch (error) {
      throw new LockstepError({
        code: 'config.unreadable',
        message: `the configuration ${path} cannot be read: ${messageOf(error)}`,
        hint: 'put it back, and make it readable for the user that runs the node',
        cause: error,
      });
    }
  }

  private constructor(path: string, text: string) {
    this.#path = path;
    this.text = text;
  }

  /** Rejects when it could not be written; nothing has changed then. */
  async proveWritable(): Promise<void> {
    const { mode, uid } = await stat(this.#path);
    // A superuser may write everything; a file that nobody may write is meant to stay as it is all the same.
    const writable =
      (mode & 0o222) !== 0 && (await permits(this.#path)) && (await permits(dirname(this.#path)));
    const owned = !POSIX || uid === process.geteuid?.() || process.geteuid?.() === 0;
    if (!writable) throw notWritable(this.#path, 'it, or its directory, is read-only for the node');
    if (!owned) throw notWritable(this.#path, 'it belongs to another user, and would not any more');
  }

  /** Resolves when the new text is in place and would survive the loss of power. */
  async replace(text: string): Promise<void> {
    await this.proveWritable();
    const fresh = `${this.#path}.new`;
    try {
      await rm(fresh, { force: true });
      await this.#writeBeside(fresh, text);
      if ((await readFile(this.#path, 'utf8')) !== this.text) {
        throw new LockstepError({
          code: 'config.edited-meanwhile',
          message: `${this.#path} was edited while it was about to be changed, and is left as it is`,
          retryable: true,
          hint: 'Repeat the command.',
        });
      }
      await rename(fresh, this.#path);
    } catch (error) {
      await rm(fresh, { force: true }).catch(() => undefined);
      throw error instanceof LockstepError ? error : notWritable(this.#path, messageOf(error));
    }
    await syncDirectory(dirname(this.#path));
  }

  async #writeBeside(path: string, text: string): Promise<void> {
    const { mode, uid, gid } = await stat(this.#path);
    const handle = await open(path, 'wx', 0o600);
    try {
      if (POSIX) {
        await keepOwner(handle, uid, gid);
        await handle.chmod(mode & 0o7777);
      }
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function keepOwner(handle: FileHandle, uid: number, gid: number): Promise<void> {
  const own = await handle.stat();
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid);
}

async function permits(path: string): Promise<boolean> {
  return await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function syncDirectory(path: string): Promise<void> {
  if (!POSIX) return;
  try {
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new LockstepError({
      code: 'config.not-durable',
      message: `the change in ${path} is made, and may be lost if the power fails now: ${messageOf(error)}`,
      outcome: 'unknown',
      hint: 'Repair the disk, and repeat the command.',
      cause: error,
    });
  }
}

function notWritable(path: string, why: string): LockstepError {
  return new LockstepError({
    code: 'config.not-writable',
    message: `${path} cannot be changed: ${why}`,
  });
}
