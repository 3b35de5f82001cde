/** One unchanging view of a member, under settings that make equal values read the same on every member. */

import type { InternalConnection } from './internal-connection.ts';
import { pinnedSettings } from './pinned-settings.ts';

export const readingSettings: Readonly<Record<string, string>> = {
  ...pinnedSettings,
  // Temporary objects last, not first as they are where nobody names them.
  search_path: 'pg_catalog, pg_temp',
  client_encoding: 'UTF8',
  TimeZone: 'UTC',
  xmlbinary: 'base64',
  quote_all_identifiers: 'off',
  // Rows that a policy hides would be missed in silence: with `off` the server refuses instead.
  row_security: 'off',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  lock_timeout: '30s',
};

const opening = [
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  // The snapshot is taken by the first statement that reads: here, not with the first table.
  `SELECT ${Object.entries(readingSettings)
    .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
    .join(', ')}`,
].join('; ');

/** Runs `work` in one repeatable-read, read-only transaction; afterwards the connection is as it was before. */
export async function withinSnapshot<T>(connection: InternalConnection, work: () => Promise<T>): Promise<T> {
  try {
    await connection.query(opening);
    return await work();
  } finally {
    // A lost connection has ended its transaction already.
    if (connection.lost === undefined) await connection.query('ROLLBACK');
  }
}
