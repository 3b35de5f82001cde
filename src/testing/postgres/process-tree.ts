/** A server is a postmaster and its children. Each child leads a session of its own, so no signal reaches them all at once. */

import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { pause, systemClock } from '../../base/index.ts';

const linux = process.platform === 'linux';

export function childrenOf(pid: number): readonly number[] {
  if (linux) {
    const listed = readOrUndefined(`/proc/${pid}/task/${pid}/children`);
    if (listed !== undefined) return listed.split(' ').filter(Boolean).map(Number);
  }
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
}

/** A process that has ended and that nobody has asked about (a zombie) is not alive. */
export function isAlive(pid: number): boolean {
  if (linux) return !['Z', 'X', undefined].includes(stateOf(pid));
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isStopped(pid: number): boolean {
  if (linux) return stateOf(pid) === 'T';
  return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('T');
}

/** The directory in which a process works, where the system tells. */
export function workingDirectoryOf(pid: number): string | undefined {
  try {
    return linux ? readlinkSync(`/proc/${pid}/cwd`) : undefined;
  } catch {
    return undefined;
  }
}

/** False when there was no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Ends a postmaster and its children. It is stopped first: it must neither start a child meanwhile nor see one die. */
export function killTree(postmaster: number): readonly number[] {
  signal(postmaster, 'SIGSTOP');
  const everyone = [...childrenOf(postmaster), postmaster];
  for (const pid of everyone) signal(pid, 'SIGKILL');
  return everyone;
}

/** Stops a postmaster and its children; resolves once none of them can do another step. */
export async function stopTree(postmaster: number): Promise<void> {
  signal(postmaster, 'SIGSTOP');
  await until(() => {
    const moving = [postmaster, ...childrenOf(postmaster)].filter((pid) => isAlive(pid) && !isStopped(pid));
    for (const pid of moving) signal(pid, 'SIGSTOP');
    return moving.length === 0;
  });
}

export function continueTree(postmaster: number): void {
  for (const pid of [...childrenOf(postmaster), postmaster]) signal(pid, 'SIGCONT');
}

/** Resolves to false when some are still there after `timeoutMs`. */
export function untilGone(pids: readonly number[], timeoutMs: number): Promise<boolean> {
  return until(() => !pids.some(isAlive), timeoutMs);
}

async function until(condition: () => boolean, timeoutMs = 10_000): Promise<boolean> {
  const deadline = systemClock.monotonicMs() + timeoutMs;
  while (!condition()) {
    if (systemClock.monotonicMs() > deadline) return false;
    await pause(systemClock, 2);
  }
  return true;
}

function stateOf(pid: number): string | undefined {
  // "pid (name) state …": the name may hold anything, also spaces and parentheses.
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2)[0];
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
