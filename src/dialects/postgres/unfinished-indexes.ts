/**
 * What REINDEX CONCURRENTLY leaves behind when it is cut short: the copy that it was making, or the index that the copy has taken the place
 * of. Nobody reads by it, and each write still has to keep it up.
 */

import { quoteLiteral } from '../../sql/index.ts';
import type { InternalConnection } from './internal-connection.ts';

/**
 * Of the index `i`, to be read with `pg_catalog` in front: it is such a copy, finished or not. By its name and its state alone it might be
 * an index of a user's; but another one of the table is valid, and in all the same.
 */
export const isRebuilt = `(NOT i.indisvalid AND EXISTS (
    SELECT FROM pg_class x WHERE x.oid = i.indexrelid AND x.relkind = 'i' AND x.relname ~ '_cc(new|old)[0-9]*$')
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
  AND EXISTS (SELECT FROM pg_index t JOIN pg_class tx ON tx.oid = t.indexrelid JOIN pg_class x ON x.oid = i.indexrelid
     WHERE t.indrelid = i.indrelid AND t.indexrelid <> i.indexrelid AND t.indisvalid AND tx.relam = x.relam AND t.indisunique = i.indisunique
       AND (t.indkey::text, t.indclass::text, t.indcollation::text, t.indoption::text) = (i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text)
       AND pg_get_expr(t.indexprs, t.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
       AND pg_get_expr(t.indpred, t.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid)))`;

/** Whoever builds or rebuilds an index of a table CONCURRENTLY has this lock on it from beginning to end. */
const atWork = `EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
  WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted)`;

/** Who reads the table longer than this is given way to. */
const standsInTheWayMs = 200;

/** For the connection that `clearUnfinishedIndexes` is given. */
export const clearingSettings = {
  search_path: 'pg_catalog, pg_temp',
  session_replication_role: 'replica',
  'lockstep.guard': 'off',
  lock_timeout: String(standsInTheWayMs),
} as const;

export interface Cleared {
  readonly dropped: readonly string[];
  /** Somebody is still at work on one, or stands in the way. */
  readonly left: number;
}

/** Drops what is left of those who are not at work any more. */
export async function clearUnfinishedIndexes(connection: InternalConnection): Promise<Cleared> {
  const found = await connection.rows(
    `SELECT i.indexrelid, i.indexrelid::regclass, ${atWork} FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relpersistence <> 't' WHERE ${isRebuilt}`,
  );
  const dropped: string[] = [];
  for (const [oid, name, busy] of found) {
    if (busy === 't') continue;
    // Its name may have become another's since it was looked at.
    const drop = `DO $drop$ BEGIN
      DROP INDEX ${name};
      IF EXISTS (SELECT FROM pg_class WHERE oid = ${oid}) THEN RAISE lock_not_available; END IF;
    END $drop$`;
    const gone = await connection.query(drop).then(
      () => true,
      async () => {
        if (connection.lost !== undefined) throw connection.lost;
        const there = await connection.rows(`SELECT FROM pg_class WHERE oid = ${quoteLiteral(oid ?? '')}`);
        return there.length === 0;
      },
    );
    if (gone) dropped.push(name ?? '');
  }
  return { dropped, left: found.length - dropped.length };
}
