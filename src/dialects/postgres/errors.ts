/** Whose fault an error is, by SQLSTATE. The specific stands before the general. */

import type { ErrorFields } from '../../wire/postgres/index.ts';
import type { Blame } from '../contract.ts';
import { sqlStates } from './sql-states.ts';

const exact: Readonly<Record<string, Blame>> = {
  [sqlStates.staleTerm]: 'fenced',
  [sqlStates.diverged]: 'diverged',
  '25006': 'unfit', // read_only_sql_transaction, on a connection that was opened for writing
  '40001': 'retry',
  '53300': 'retry', // too_many_connections: it is full, not unfit
  '40P01': 'retry',
  '55P03': 'retry', // lock_not_available
  '57014': 'retry', // query_canceled
  '57P01': 'gone', // admin_shutdown: also pg_terminate_backend
  '57P02': 'gone', // crash_shutdown
  '57P03': 'gone', // cannot_connect_now
  '57P05': 'gone', // idle_session_timeout
  '25P03': 'gone', // idle_in_transaction_session_timeout
  '3D000': 'unfit', // the member's database does not exist
};

const byClass: Readonly<Record<string, Blame>> = {
  '08': 'gone',
  '28': 'unfit', // credentials
  '53': 'unfit', // disk full, out of memory, too many connections
  '58': 'unfit', // I/O error
  F0: 'unfit',
  XX: 'unfit', // internal error, corrupted data or index
};

export function blameOf(sqlState: string): Blame {
  return exact[sqlState] ?? byClass[sqlState.slice(0, 2)] ?? 'client';
}

/** What the server cannot know to advise, because it does not know that Lockstep stands in front of it. */
export function hintFor({ code, message }: Pick<ErrorFields, 'code' | 'message'>): string | undefined {
  // insufficient_privilege, at the first statement of each capture function: whatever its language, the command keeps its name.
  if (code === '42501' && message.includes('UNLISTEN'))
    return 'A function wrote rows while the server ran it in a restricted operation (REFRESH, CREATE INDEX, ANALYZE ...), where they could not be carried to the other members. Nothing took effect. Let such functions read only.';
  // invalid_transaction_termination
  return code === '2D000'
    ? 'Through Lockstep every statement runs in one transaction, committed on all members together: leave COMMIT and ROLLBACK out of procedures and DO blocks, and send them as statements.'
    : undefined;
}
