/** The systems under comparison, by the names that `--systems` takes. */

import { startAtOnce, startDirect } from './direct.ts';
import { startBefore, startLockstep } from './lockstep.ts';
import { versionOf } from './middleman.ts';
import { startPgbouncer } from './pgbouncer.ts';
import { startPgpool } from './pgpool.ts';
import { startRelay } from './relay.ts';
import type { StartSystem } from './system.ts';

export type { System, SystemContext } from './system.ts';

export const systemNames = [
  'direct',
  'pgbouncer-session',
  'pgbouncer-transaction',
  'relay',
  'pgpool2',
  'pgpool3',
  'atonce2',
  'atonce3',
  'lockstep2',
  'lockstep3',
  'before2',
  'before3',
] as const;
export type SystemName = (typeof systemNames)[number];

export interface SystemPlan {
  readonly members: number;
  /** Systems with the same set share their databases. */
  readonly database: string;
  readonly start: StartSystem;
  /** The program that must be installed, and the package that has it. */
  readonly needs?: { readonly program: string; readonly package: string };
}

const pgbouncer = { program: 'pgbouncer', package: 'pgbouncer' };
const pgpool = { program: 'pgpool', package: 'pgpool2' };

export const systemPlans: Readonly<Record<SystemName, SystemPlan>> = {
  direct: { members: 1, database: 'b_direct', start: startDirect },
  'pgbouncer-session': {
    members: 1,
    database: 'b_direct',
    start: startPgbouncer('session'),
    needs: pgbouncer,
  },
  'pgbouncer-transaction': {
    members: 1,
    database: 'b_direct',
    start: startPgbouncer('transaction'),
    needs: pgbouncer,
  },
  relay: { members: 1, database: 'b_direct', start: startRelay },
  pgpool2: { members: 2, database: 'b_pool2', start: startPgpool, needs: pgpool },
  pgpool3: { members: 3, database: 'b_pool3', start: startPgpool, needs: pgpool },
  atonce2: { members: 2, database: 'b_atonce', start: startAtOnce },
  atonce3: { members: 3, database: 'b_atonce', start: startAtOnce },
  lockstep2: { members: 2, database: 'b_lock2', start: startLockstep },
  lockstep3: { members: 3, database: 'b_lock3', start: startLockstep },
  before2: { members: 2, database: 'b_before2', start: startBefore },
  before3: { members: 3, database: 'b_before3', start: startBefore },
};

/** What to install so that this system can be measured; undefined when it is there. */
export function whatIsMissing({ needs }: SystemPlan): string | undefined {
  if (!needs || versionOf(needs.program) !== undefined) return undefined;
  return `${needs.program} is not installed: apt-get install -y ${needs.package}`;
}
