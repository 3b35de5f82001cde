/** Long work that operators have begun. Asked after while any runs; otherwise now and then, because others begin some too. */
import { signal } from '@preact/signals';
import { getJobs } from '../api/calls.ts';
import { jobTitle } from '../text/words.ts';
import { addNote } from './announce.ts';
import type { JobStatus } from '../contract.ts';

/** The newest last. */
export const jobs = signal<readonly JobStatus[]>([]);

const BUSY_MS = 1000;
const IDLE_MS = 10_000;

let timer: number | undefined;

export function startJobs(): void {
  void refreshJobs();
}

export function stopJobs(): void {
  window.clearTimeout(timer);
  timer = undefined;
}

/** Begun here: that it failed is said, also when that was quicker than the first look. */
export function followJob(id: number): void {
  followed.add(id);
  void refreshJobs();
}

const followed = new Set<number>();

export async function refreshJobs(): Promise<void> {
  window.clearTimeout(timer);
  try {
    for (const { id, state } of jobs.value) if (state === 'running') followed.add(id);
    jobs.value = await getJobs();
    for (const job of jobs.value) {
      if (job.state === 'running' || !followed.delete(job.id) || job.state !== 'failed') continue;
      addNote('bad', `${jobTitle(job)} has failed: ${job.error?.message ?? ''}`);
    }
  } catch {
    // The connection's own banner says that the node is not there.
  }
  window.clearTimeout(timer);
  const busy = jobs.value.some(({ state }) => state === 'running');
  timer = window.setTimeout(() => void refreshJobs(), busy ? BUSY_MS : IDLE_MS);
}
