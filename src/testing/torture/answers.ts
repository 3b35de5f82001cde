/** What a client may conclude from an answer that is an error. */

import { LockstepError, messageOf } from '../../base/index.ts';
import type { Outcome } from '../../base/index.ts';

/** The SQLSTATE of a server that answered; undefined when the connection was lost. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof LockstepError && error.code === 'testing.sql' ? error.sqlState : undefined;
}

/** The answer did not come in time. */
export function isLate(error: unknown): boolean {
  return error instanceof LockstepError && error.cause instanceof LockstepError
    ? error.cause.code === 'testing.deadline'
    : false;
}

/**
 * `decisive`: what was sent could commit. Anything else that fails has had no effect, whatever the error: a transaction
 * whose COMMIT was never sent must not be there.
 */
export function outcomeOf(error: unknown, decisive: boolean): Outcome {
  if (!decisive) return 'none';
  const state = sqlStateOf(error);
  return state === undefined || unsureStates.includes(state) ? 'unknown' : 'none';
}

const unsureStates: readonly string[] = ['08007', '40003', '57P01', 'XX000'];

/**
 * Errors that faults, or other clients, explain: lost connections, conflicts, shutdowns, full disks. Any other would
 * surprise an application, so it convicts.
 */
export function isExplained(sqlState: string | undefined): boolean {
  return sqlState === undefined || /^(08...|40001|40003|40P01|57P0[0-5]|53...|25P03)$/.test(sqlState);
}

export function describeError(error: unknown): string {
  const state = sqlStateOf(error);
  return state === undefined ? messageOf(error) : `${state} ${messageOf(error)}`;
}
