/**
 * Materialized views hold rows that nobody can write: they can only be computed anew. Where they differ, the target computes its own,
 * and it may then be newer than the source's.
 */

import { userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import type { Crew } from './crew.ts';
import { syncApplication } from './sync-settings.ts';

/** Those that others are made from come first. */
const inOrder = `
  WITH RECURSIVE uses (viewer, used) AS (
    SELECT DISTINCT r.ev_class, d.refobjid FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class),
  below (viewer, used) AS (SELECT * FROM uses UNION SELECT b.viewer, u.used FROM below b JOIN uses u ON u.viewer = b.used)
  SELECT format('%I.%I', n.nspname, c.relname) FROM ${userRelations('m')}
   ORDER BY (SELECT count(*) FROM below b JOIN pg_class m ON m.oid = b.used AND m.relkind = 'm' WHERE b.viewer = c.oid)`;

export async function refreshOrder(connection: InternalConnection): Promise<readonly string[]> {
  return (await connection.rows(inOrder)).map(([name]) => name ?? '');
}

/** With the settings of any session: the query may call functions that rely on the search path. */
const refreshingSettings: Readonly<Record<string, string>> = {
  application_name: syncApplication,
  session_replication_role: 'replica',
  'lockstep.guard': 'off',
};

export async function refresh(crew: Crew, target: PostgresMember, names: readonly string[]): Promise<void> {
  const connection = await crew.open(target, refreshingSettings);
  for (const name of names) await connection.query(`REFRESH MATERIALIZED VIEW ${name}`);
}
