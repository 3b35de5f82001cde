/**
 * What CREATE INDEX and REINDEX CONCURRENTLY leave behind when they are cut short: an index that has not got its name, the copy of one, or the index
 * that the copy has taken the place of. Nobody reads by it, and each write still has to keep it up.
 */

import { buildingPrefix, quoteLiteral } from '../../sql/index.ts';
import { endBackends } from './end-backends.ts';
import type { InternalConnection } from './internal-connection.ts';

/**
 * Of the index `i`, to be read with `pg_catalog` in front: it is such a copy, finished or not. By its name and its state alone it might be
 * an index of a user's; but another one of the table is valid, and in all the same.
 */
const isRebuilt = `(NOT i.indisvalid AND EXISTS (
    SELECT FROM pg_class x WHERE x.oid = i.indexrelid AND x.relkind = 'i' AND x.relname ~ '_cc(new|old)[0-9]*$')
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
  AND EXISTS (SELECT FROM pg_index t JOIN pg_class tx ON tx.oid = t.indexrelid JOIN pg_class x ON x.oid = i.indexrelid
     WHERE t.indrelid = i.indrelid AND t.indexrelid <> i.indexrelid AND t.indisvalid AND tx.relam = x.relam AND t.indisunique = i.indisunique
       AND (t.indkey::text, t.indclass::text, t.indcollation::text, t.indoption::text) = (i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text)
       AND pg_get_expr(t.indexprs, t.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
       AND pg_get_expr(t.indpred, t.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid)))`;

/** It is being built, and has not got its own name yet: that is the mark of what the one order knows nothing of. */
const isBuilding = (relation: string): string =>
  `(${relation}.relkind = 'i' AND starts_with(${relation}.relname, '${buildingPrefix}'))`;

/** One or the other. */
export const isUnfinished = `(i.indexrelid IN (SELECT b.oid FROM pg_class b WHERE ${isBuilding('b')}) OR ${isRebuilt})`;

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

/** What a server process that builds one has been sent begins like this, whatever code it meets; for `query` of `pg_stat_activity`. */
const builders = `pg_stat_activity WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()
  AND query ~ '^CREATE (UNIQUE )?INDEX CONCURRENTLY "${buildingPrefix}'`;

/**
 * Where rows of the one order are written, an index that is no part of it may refuse them, and call code that nobody has looked at. Ends who
 * builds one, and drops what there is of it. Resolves with how many there were. `own`: other server processes to be ended first.
 */
export async function dropBuilding(
  connection: InternalConnection,
  own: readonly number[] = [],
): Promise<number> {
  const found = await connection.rows(`SELECT pid FROM ${builders}`);
  const pids = [...own, ...found.map(([pid]) => Number(pid))];
  if (pids.length > 0) await endBackends(connection, pids);
  const indexes = await connection.rows(
    `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${isBuilding('c')}`,
  );
  for (const [name] of indexes) await connection.query(`DROP INDEX IF EXISTS ${name}`);
  return indexes.length;
}

export interface Cleared {
  readonly dropped: readonly string[];
  /** Somebody is still at work on one, or stands in the way. */
  readonly left: number;
}

/** Drops what is left of those who are not at work any more. `isAwaited`: it is being built for a client of this node. */
export async function clearUnfinishedIndexes(
  connection: InternalConnection,
  isAwaited: (name: string) => boolean,
): Promise<Cleared> {
  const found = await connection.rows(
    `SELECT i.indexrelid, i.indexrelid::regclass, ${atWork}, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE ${isUnfinished}`,
  );
  const dropped: string[] = [];
  let awaited = 0;
  // Also who waits for the table, and has no index yet.
  const forNobody = (
    await connection.rows(`SELECT pid, substring(query from '"(${buildingPrefix}[^"]*)"') FROM ${builders}`)
  ).filter(([, name]) => !isAwaited(name ?? ''));
  for (const [pid] of forNobody) await connection.query(`SELECT pg_terminate_backend(${pid})`);
  for (const [oid, name, busy, bare] of found) {
    if (isAwaited(bare ?? '')) {
      awaited += 1;
      continue;
    }
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
  return { dropped, left: found.length - dropped.length - awaited + forNobody.length };
}
