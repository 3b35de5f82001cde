/** What the kernel knows about processes (Linux: /proc). */

import { readdirSync, readFileSync } from 'node:fs';

const ticksPerSecond = 100;
const kib = 1024;

/** The process and everything below it. */
export function familyOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(fieldsOf(Number(name))?.[1]);
    if (parent) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const family = [pid];
  for (const one of family) family.push(...(children.get(one) ?? []));
  return family;
}

/** Seconds of processor time that a family has used so far, ended children that were waited for included. */
export function cpuSecondsOf(pid: number): number {
  return familyOf(pid).reduce((sum, one) => {
    const fields = fieldsOf(one);
    if (!fields) return sum;
    // utime, stime, cutime, cstime
    const ticks = [11, 12, 13, 14].reduce((total, at) => total + Number(fields[at]), 0);
    return sum + ticks / ticksPerSecond;
  }, 0);
}

export interface MemoryUse {
  /** Resident bytes summed over the processes: what they share is counted in each. */
  readonly rss: number;
  /** The same with every shared page divided among its users. */
  readonly pss: number;
  readonly processes: number;
}

export function memoryOf(pid: number): MemoryUse {
  const family = familyOf(pid);
  const sum = (name: string): number => family.reduce((total, one) => total + kib * rollup(one, name), 0);
  return { rss: sum('Rss'), pss: sum('Pss'), processes: family.length };
}

/** The words of /proc/<pid>/stat after the name, which may itself hold spaces: state, parent, … */
function fieldsOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function rollup(pid: number, name: string): number {
  try {
    const line = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(
      readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'),
    );
    return Number(line?.[1] ?? 0);
  } catch {
    return 0;
  }
}
