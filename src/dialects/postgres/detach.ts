/** Takes Lockstep out of a member, leaving nothing behind. Refuses rather than do half of it. */

import { LockstepError } from '../../base/index.ts';
import { dropControlSchema } from './control-schema.ts';
import type { InternalConnection } from './internal-connection.ts';

export interface Detached {
  /** False: there was nothing to remove. */
  readonly removed: boolean;
  /** What was there, in words: `schema lockstep`, `6 triggers`, … */
  readonly found: readonly string[];
}

export interface DetachOptions {
  /** How long to wait for each table that someone uses. */
  readonly lockTimeoutMs?: number;
}

const defaultLockTimeoutMs = 10_000;

/**
 * The changes of an open session are in a temporary table, which ends with the session: it is no trace. Functions
 * elsewhere cannot be ours: all of ours are in the schema and go with it.
 */
const tracesSql = `
  SELECT 'schema lockstep' FROM pg_catalog.pg_namespace WHERE nspname = 'lockstep'
  UNION ALL SELECT count(*) || ' functions' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'lockstep' HAVING count(*) > 0
  UNION ALL SELECT count(*) || ' triggers' FROM pg_catalog.pg_trigger WHERE tgname LIKE '!lockstep%' HAVING count(*) > 0
  UNION ALL SELECT count(*) || ' event triggers' FROM pg_catalog.pg_event_trigger WHERE evtname LIKE 'lockstep\\_guard%' HAVING count(*) > 0`;

/** Either all is removed or, on an error, nothing. Whether a node still runs is for the caller to know. */
export async function detachMember(
  connection: InternalConnection,
  options: DetachOptions = {},
): Promise<Detached> {
  const lockTimeoutMs = options.lockTimeoutMs ?? defaultLockTimeoutMs;
  await connection.query(`BEGIN; SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL statement_timeout = 0`);
  try {
    const found = await traces(connection);
    if (found.length > 0) {
      await demandOurs(connection);
      await connection.query(dropControlSchema);
      await demandNothingLeft(connection);
    }
    await connection.query('COMMIT');
    // The removal ran with the guard lifted and the notices off: neither is to outlive it.
    if (found.length > 0) await connection.query('RESET lockstep.guard; RESET client_min_messages');
    return { removed: found.length > 0, found };
  } catch (error) {
    if (connection.lost === undefined) await connection.query('ROLLBACK');
    throw error;
  }
}

async function traces(connection: InternalConnection): Promise<readonly string[]> {
  return (await connection.rows(tracesSql)).map(([what]) => what ?? '');
}

/** Somebody else's schema may bear the name. */
async function demandOurs(connection: InternalConnection): Promise<void> {
  const [[schema, comment, members] = []] = await connection.rows(
    `SELECT pg_catalog.to_regnamespace('lockstep') IS NOT NULL,
       pg_catalog.obj_description(pg_catalog.to_regnamespace('lockstep'), 'pg_namespace'), pg_catalog.to_regclass('lockstep.member') IS NOT NULL`,
  );
  if (schema === 'f' || members === 't' || comment?.startsWith('Lockstep control schema') === true) return;
  throw new LockstepError({
    code: 'postgres.foreign-schema',
    message: 'the schema "lockstep" in this database was not made by Lockstep',
    hint: 'Look at what it holds: \\dt lockstep.*',
  });
}

async function demandNothingLeft(connection: InternalConnection): Promise<void> {
  const left = await traces(connection);
  if (left.length === 0) return;
  throw new LockstepError({
    code: 'postgres.detach-incomplete',
    message: `nothing was removed, because this would have been left: ${left.join(', ')}`,
    hint: 'Log in as a superuser, or as the owner of the schema "lockstep".',
  });
}
