/**
 * What a server keeps of the passwords of roles that may log in now: enough to check a proof, not enough to log in. A superuser reads
 * it, and whoever was granted these columns of `pg_authid`.
 */

import { quoteLiteral } from '../../sql/index.ts';
import { verifierColumns } from './least-rights.ts';
import type { InternalConnection } from './internal-connection.ts';

/** SQL: whether the session's role may read them. */
export const mayReadVerifiers = `(${verifierColumns.map((column) => `has_column_privilege('pg_authid', '${column}', 'SELECT')`).join(' AND ')})`;

/** By name; a role without a password is left out, and one whose password is over. */
export async function readVerifiers(
  connection: InternalConnection,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  const rows = await connection.rows(
    `SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname IN (${names.map(quoteLiteral).join(', ')})
      AND rolcanlogin AND rolpassword IS NOT NULL AND (rolvaliduntil IS NULL OR rolvaliduntil OPERATOR(pg_catalog.>) pg_catalog.now())`,
  );
  return new Map(rows.map(([name, verifier]) => [name ?? '', verifier ?? '']));
}
