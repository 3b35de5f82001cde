/** Takes away everything that a database has of its own, after its rows have been kept. */

import { LockstepError } from '../../../../base/index.ts';
import type { RowKeeper, TableChange } from '../../../sync-contract.ts';
import { isUserSchema, notFromExtension, relationName, userRelations } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import { readRows } from '../copy-rows.ts';
import type { SyncProgress } from '../sync-progress.ts';
import { keepingCopy } from '../sync-table.ts';
import type { SyncTable } from '../sync-table.ts';

/** Tables dropped in one transaction: each takes several entries of the server's lock table. */
const batchTables = 100;

/**
 * Present while the target holds an unfinished copy of a source. Its rows are nobody's then: an attempt that begins again keeps
 * only what was the target's own.
 */
const unfinished = 'lockstep.unfinished_copy';

export async function holdsUnfinishedCopy(target: InternalConnection): Promise<boolean> {
  return (await target.rows(`SELECT to_regclass('${unfinished}') IS NOT NULL`))[0]?.[0] === 't';
}

export const dropUnfinished = `DROP TABLE IF EXISTS ${unfinished}`;

/** Returns what was kept, as rows that only the target had. */
export async function keepRows(options: {
  readonly target: InternalConnection;
  readonly tables: Iterable<SyncTable>;
  readonly keeper: RowKeeper;
  readonly progress: SyncProgress;
}): Promise<readonly TableChange[]> {
  const { target, keeper, progress } = options;
  const changes: TableChange[] = [];
  for (const table of options.tables) {
    const extra = await readRows(
      target,
      keepingCopy(target, `(SELECT ${table.columns.join(', ')} FROM ${table.from})`),
      async (row) => {
        await keeper.keep(table.name, table.columns, row);
        await progress.moved(table, 0, row.length);
      },
    );
    if (extra > 0) changes.push({ table: table.name, missing: 0, extra, samples: [] });
  }
  await keeper.flush();
  return changes;
}

export async function clearTarget(target: InternalConnection, targetId: string, term: number): Promise<void> {
  await demandNoSubscription(target, targetId);
  const inOne = async (statements: readonly string[]): Promise<void> => {
    if (statements.length === 0) return;
    await target.query(['BEGIN', ...statements, `SELECT lockstep.fence(${term})`, 'COMMIT'].join('; '));
  };
  const found = async (sql: string): Promise<readonly string[]> =>
    (await target.rows(sql)).map(([statement]) => statement ?? '');

  await inOne([`CREATE TABLE IF NOT EXISTS ${unfinished} ()`]);
  await inOne(await found(defaultRights));
  await inOne(
    await found(`
      SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger e
       WHERE evtname NOT LIKE 'lockstep\\_guard%' AND ${notFromExtension('pg_event_trigger', 'e.oid')}
      UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication`),
  );
  await inOne(
    await found(
      `SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql'`,
    ),
  );
  const tables = await found(
    `SELECT format('DROP TABLE IF EXISTS %s CASCADE', ${relationName}) FROM ${userRelations('rp')} ORDER BY c.relispartition DESC`,
  );
  for (let at = 0; at < tables.length; at += batchTables) await inOne(tables.slice(at, at + batchTables));
  await inOne(
    await found(
      `SELECT format('DROP SCHEMA %I CASCADE', n.nspname) FROM pg_namespace n WHERE ${isUserSchema('n.nspname')}`,
    ),
  );
  await inOne(
    await found(`
      SELECT format('DROP FOREIGN DATA WRAPPER IF EXISTS %I CASCADE', fdwname) FROM pg_foreign_data_wrapper
      UNION ALL SELECT format('DROP TRANSFORM IF EXISTS FOR %s LANGUAGE %I', f.trftype::regtype, l.lanname) FROM pg_transform f JOIN pg_language l ON l.oid = f.trflang WHERE f.oid >= 16384
      UNION ALL SELECT format('DROP CAST IF EXISTS (%s AS %s)', castsource::regtype, casttarget::regtype) FROM pg_cast WHERE oid >= 16384
      UNION ALL SELECT format('DROP LANGUAGE IF EXISTS %I CASCADE', l.lanname) FROM pg_language l WHERE l.oid >= 16384 AND ${notFromExtension('pg_language', 'l.oid')}
      UNION ALL SELECT format('DROP ACCESS METHOD IF EXISTS %I CASCADE', amname) FROM pg_am WHERE oid >= 16384`),
  );
}

/**
 * Rights that new objects would get: a dump takes them to be those of a new database. What stands for one schema went with it. The
 * server forgets an entry that says what holds anyway.
 */
const defaultRights = `
  WITH entries AS (SELECT defaclrole::regrole AS role, defaclacl, acldefault(CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END, defaclrole) AS usual,
      CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind
    FROM pg_default_acl WHERE defaclnamespace = 0)
  SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE ALL ON %s FROM %s CASCADE', role, kind, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM entries CROSS JOIN LATERAL (SELECT DISTINCT grantee FROM aclexplode(defaclacl)) a
  UNION ALL SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT %s ON %s TO %s', role, a.privilege_type, kind, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
    FROM entries CROSS JOIN LATERAL aclexplode(usual) a`;

/** To drop one would reach out to where it gets its data from. */
async function demandNoSubscription(target: InternalConnection, targetId: string): Promise<void> {
  const [[names] = []] = await target.rows(
    `SELECT string_agg(quote_ident(subname), ', ') FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  if (names === null || names === undefined) return;
  throw new LockstepError({
    code: 'sync.has-subscription',
    message: `member ${targetId} subscribes to another database (${names}); nothing of it was removed`,
    hint: 'Drop the subscription there, and synchronise again.',
  });
}
