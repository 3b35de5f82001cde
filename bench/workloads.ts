/** What the clients do: pgbench's own scripts, so that anybody can repeat a single figure by hand. */

export interface Workload {
  readonly name: WorkloadName;
  readonly title: string;
  readonly words: readonly string[];
  /** Every transaction goes to every member. */
  readonly writesOnly: boolean;
  readonly prepared: boolean;
}

export const workloadNames = ['select', 'select-prepared', 'tpcb', 'simple-update', 'mix'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export const workloads: Readonly<Record<WorkloadName, Workload>> = {
  select: {
    name: 'select',
    title: 'select simple',
    words: ['-b', 'select-only', '-M', 'simple'],
    writesOnly: false,
    prepared: false,
  },
  'select-prepared': {
    name: 'select-prepared',
    title: 'select prepared',
    words: ['-b', 'select-only', '-M', 'prepared'],
    writesOnly: false,
    prepared: true,
  },
  tpcb: {
    name: 'tpcb',
    title: 'TPC-B',
    words: ['-b', 'tpcb-like', '-M', 'simple'],
    writesOnly: true,
    prepared: false,
  },
  'simple-update': {
    name: 'simple-update',
    title: 'simple-update',
    words: ['-b', 'simple-update', '-M', 'simple'],
    writesOnly: true,
    prepared: false,
  },
  mix: {
    name: 'mix',
    title: '90 % read mix',
    words: ['-b', 'select-only@9', '-b', 'simple-update@1', '-M', 'simple'],
    writesOnly: false,
    prepared: false,
  },
};
