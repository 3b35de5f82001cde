/**
 * Materialized views hold rows like tables, which are to be the source's: computed anew they may be others, because time has
 * passed, or floats were added up in another order. The server takes no rows for them. So for the length of one transaction, under an
 * exclusive lock, the catalog calls the view a table, which only a superuser can do; nobody else ever sees it so. Whoever is
 * none has them computed.
 */

import { quoteLiteral } from '../../../sql/index.ts';
import { userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { pipeRows } from './copy-rows.ts';
import type { OnCopied } from './copy-rows.ts';
import type { Crew } from './crew.ts';
import { syncApplication, syncSettings } from './sync-settings.ts';
import { copyColumns, copySource } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';

/** The first within a transaction, the second before its end. */
export function asTable({ name }: SyncTable): readonly [begin: string, end: string] {
  const its = `WHERE oid = ${quoteLiteral(name)}::regclass`;
  return [
    `UPDATE pg_catalog.pg_class SET relkind = 'r' ${its}; LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`,
    `UPDATE pg_catalog.pg_class SET relkind = 'm', relispopulated = true ${its}`,
  ];
}

export async function isSuperuser(target: InternalConnection): Promise<boolean> {
  return (await target.rows(`SELECT current_setting('is_superuser')`))[0]?.[0] === 'on';
}

/** `source` is in a transaction that sees the rows. */
export async function copyView(options: {
  readonly source: InternalConnection;
  readonly target: InternalConnection;
  readonly term: number;
  readonly view: SyncTable;
  readonly onCopied: OnCopied;
}): Promise<void> {
  const { source, target, term, view, onCopied } = options;
  const [begin, end] = asTable(view);
  try {
    await target.query(`BEGIN; ${begin}; TRUNCATE ${view.from}`);
    await pipeRows({
      from: source,
      out: `COPY ${copySource(view)} TO STDOUT`,
      to: target,
      in: `COPY ${view.name} ${copyColumns(view)} FROM STDIN`,
      onCopied,
    });
    await target.query(`${end}; SELECT lockstep.fence(${term}); COMMIT`);
  } catch (error) {
    if (target.lost === undefined) await target.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Those that others are made from come first. */
const inOrder = `
  WITH RECURSIVE uses (viewer, used) AS (
    SELECT DISTINCT r.ev_class, d.refobjid FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class),
  below (viewer, used) AS (SELECT * FROM uses UNION SELECT b.viewer, u.used FROM below b JOIN uses u ON u.viewer = b.used)
  SELECT format('%I.%I', n.nspname, c.relname) FROM ${userRelations('m')}
   ORDER BY (SELECT count(*) FROM below b JOIN pg_class m ON m.oid = b.used AND m.relkind = 'm' WHERE b.viewer = c.oid)`;

/** With the settings of any session: the query may call functions that rely on the search path. */
const refreshingSettings: Readonly<Record<string, string>> = {
  application_name: syncApplication,
  session_replication_role: 'replica',
  'lockstep.guard': 'off',
};

/** Has the views with these names computed. */
export async function refresh(crew: Crew, target: PostgresMember, names: ReadonlySet<string>): Promise<void> {
  if (names.size === 0) return;
  const connection = await crew.open(target, syncSettings);
  const order = (await connection.rows(inOrder)).flatMap(([name]) => name ?? []);
  const refreshing = await crew.open(target, refreshingSettings);
  for (const name of order) if (names.has(name)) await refreshing.query(`REFRESH MATERIALIZED VIEW ${name}`);
}
