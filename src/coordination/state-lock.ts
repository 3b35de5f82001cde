/**
 * Keeps a second node off a state directory. The lock must vanish with the process, however it dies, so that no crash
 * leaves something behind for an operator to remove:
 *
 * - Linux: a Unix socket in the abstract namespace, named after the directory. The kernel removes it with its process.
 *   Whoever connects is told the process id.
 * - elsewhere: a file with the process id, taken over when that process is gone.
 */
import { createHash } from 'node:crypto';
import { open, readFile, realpath, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { LockstepError } from '../base/index.ts';
import { systemCodeOf } from './system-code.ts';

/** Gives the lock back. */
export type Release = () => Promise<void>;

/** Takes the lock of an existing directory, or says which process holds it. */
export type StateLock = (directory: string) => Promise<Release>;

export const systemLock: StateLock = (directory) =>
  process.platform === 'linux' ? lockBySocket(directory) : lockByFile(directory);

async function lockBySocket(directory: string): Promise<Release> {
  const hash = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 32);
  const name = `\0lockstep-${hash}`;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`${process.pid}\n`, () => socket.destroy());
  });
  try {
    await listen(server, name);
  } catch (error) {
    if (systemCodeOf(error) !== 'EADDRINUSE') throw error;
    throw locked(directory, await askHolder(name));
  }
  // The lock alone must not keep a process alive that has nothing else to do.
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

export async function lockByFile(directory: string): Promise<Release> {
  const path = join(directory, 'node.pid');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(`${process.pid}\n`);
      await handle.close();
      return () => unlink(path);
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') throw error;
    }
    const holder = Number.parseInt(await readFile(path, 'utf8'), 10);
    if (isAlive(holder)) throw locked(directory, String(holder));
    await unlink(path);
  }
  throw locked(directory, undefined);
}

function locked(directory: string, holder: string | undefined): LockstepError {
  const who = holder === undefined ? 'another process' : `another node, process ${holder}`;
  return new LockstepError({
    code: 'coordination.state-locked',
    message: `the state directory ${directory} is in use by ${who}`,
    hint: 'stop that node first, or give this one a `state` directory of its own',
  });
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Also later, when somebody who asks cannot be answered: the lock is held all the same.
    server.on('error', reject);
    server.listen({ path: name, exclusive: true }, resolve);
  });
}

const ASK_MS = 1000;

/** The process id that the holder tells; undefined when it is too busy, or has just gone. */
function askHolder(name: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path: name });
    let text = '';
    const finish = () => {
      socket.destroy();
      resolve(/^(\d{1,10})\n$/.exec(text)?.[1]);
    };
    socket.setTimeout(ASK_MS, finish);
    socket.on('data', (data) => {
      text += String(data);
      if (text.length > 16) finish();
    });
    socket.on('end', finish);
    socket.on('error', finish);
  });
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It exists and belongs to somebody else.
    return systemCodeOf(error) === 'EPERM';
  }
}
