/** A file system of a few megabytes, so that "disk full" can be real and harm nobody else. Needs root on Linux. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { LockstepError } from '../../base/index.ts';
import { makeTemporaryDirectory } from './keeper.ts';

/** Why no small disk can be had here, or undefined when it can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux mounts a tmpfs';
  if (process.getuid?.() !== 0) return 'only root may mount a tmpfs';
  const trial = makeTemporaryDirectory('mount');
  const refusal = mount(trial, '1m');
  if (refusal === undefined) unmountDisk(trial);
  return refusal;
}

export function mountSmallDisk(directory: string, size: string): void {
  mkdirSync(directory, { recursive: true });
  if (isMounted(directory)) return;
  const refusal = mount(directory, size);
  if (refusal !== undefined) throw new LockstepError({ code: 'testing.no-small-disk', message: refusal });
}

/** Also while something in it is still in use. */
export function unmountDisk(directory: string): void {
  if (isMounted(directory)) spawnSync('umount', ['--lazy', directory]);
}

function mount(directory: string, size: string): string | undefined {
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'tmpfs', directory]);
  return done.status === 0
    ? undefined
    : `a tmpfs cannot be mounted: ${String(done.stderr ?? done.error).trim()}`;
}

function isMounted(directory: string): boolean {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === directory);
}
