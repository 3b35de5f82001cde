/**
 * Sees to it that nothing outlives this process: servers are ended and temporary directories removed however it ends.
 * (After a SIGKILL nobody is left to do so; on Linux the launcher then has the kernel end the servers.)
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Works synchronously: at exit there is no later. */
type Cleanup = () => void;

const cleanups = new Set<Cleanup>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let installed = false;

/** Runs `cleanup` when the process ends, unless the returned function has taken it back. */
export function atProcessEnd(cleanup: Cleanup): () => void {
  if (!installed) {
    installed = true;
    process.on('exit', runAll);
    for (const signal of signals) process.on(signal, onSignal);
  }
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** A directory that goes with the process, readable by its owner alone. */
export function makeTemporaryDirectory(purpose: string): string {
  const directory = mkdtempSync(join(tmpdir(), `lockstep-${purpose}-`));
  atProcessEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The latest first: a server goes before the directory it lives in. */
function runAll(): void {
  for (const cleanup of [...cleanups].toReversed()) {
    cleanups.delete(cleanup);
    try {
      cleanup();
    } catch {
      // One cleanup that fails must not keep the others from running.
    }
  }
}

/** Without another listener the signal would end the process without an `exit` event; with one, the end is its affair. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  runAll();
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}
