/** Shared memory of System V outlives a server that was killed; a machine has some thousands of such segments, and then no server starts. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The line of postmaster.pid with the key and the number of the segment. */
const segmentLine = 6;

/** For a server that is not running and not going to. */
export function removeLeftMemory(dataDir: string): void {
  let lines: readonly string[];
  try {
    lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    // It has ended by itself, and left nothing.
    return;
  }
  const [, id] = /^\s*\d+\s+(\d+)\s*$/.exec(lines[segmentLine] ?? '') ?? [];
  if (id !== undefined && !isAlive(Number(lines[0]))) spawnSync('ipcrm', ['-m', id], { stdio: 'ignore' });
}

/** Another server may have been started there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
