/** What was set out to be reached, each as a ratio that one run can answer. */

import type { WorkloadName } from './workloads.ts';

export interface Target {
  readonly system: 'lockstep2' | 'lockstep3';
  readonly workload: WorkloadName;
  readonly clients: number;
  readonly against: 'direct' | 'pgbouncer-session' | 'pgpool2' | 'pgpool3';
  readonly atLeast: number;
}

const sameForBoth = (['lockstep2', 'lockstep3'] as const).flatMap((system): readonly Target[] => [
  { system, workload: 'select', clients: 8, against: 'pgbouncer-session', atLeast: 0.9 },
  { system, workload: 'select-prepared', clients: 8, against: 'pgbouncer-session', atLeast: 0.9 },
]);

export const targets: readonly Target[] = [
  ...sameForBoth,
  { system: 'lockstep2', workload: 'tpcb', clients: 8, against: 'pgpool2', atLeast: 1.5 },
  { system: 'lockstep2', workload: 'simple-update', clients: 8, against: 'pgpool2', atLeast: 1.5 },
  { system: 'lockstep2', workload: 'simple-update', clients: 32, against: 'pgpool2', atLeast: 1.8 },
  { system: 'lockstep2', workload: 'mix', clients: 8, against: 'direct', atLeast: 0.6 },
  { system: 'lockstep3', workload: 'tpcb', clients: 8, against: 'pgpool3', atLeast: 1.7 },
  { system: 'lockstep3', workload: 'simple-update', clients: 8, against: 'pgpool3', atLeast: 1.7 },
  { system: 'lockstep3', workload: 'mix', clients: 8, against: 'direct', atLeast: 0.55 },
];
