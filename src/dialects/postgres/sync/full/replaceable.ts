/** Whether everything that a database has of its own can be removed and made anew: what its owner may, and a superuser. */

import { isUserSchema } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import { grants } from '../../least-rights.ts';

const foreign = `
  SELECT format('the database'), pg_get_userbyid(datdba), true FROM pg_database WHERE datname = current_database() AND NOT pg_has_role(datdba, 'USAGE')
  UNION ALL SELECT format('schema %I', nspname), pg_get_userbyid(nspowner), false FROM pg_namespace WHERE ${isUserSchema('nspname')} AND NOT pg_has_role(nspowner, 'USAGE')
  UNION ALL SELECT format('%s', c.oid::regclass), pg_get_userbyid(relowner), false FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${isUserSchema('nspname')} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT pg_has_role(relowner, 'USAGE')
  UNION ALL SELECT format('extension %I', extname), pg_get_userbyid(extowner), false FROM pg_extension WHERE extname <> 'plpgsql' AND NOT pg_has_role(extowner, 'USAGE')
  UNION ALL SELECT format('event trigger %I', evtname), pg_get_userbyid(evtowner), false FROM pg_event_trigger WHERE evtname !~ '^lockstep_guard' AND NOT pg_has_role(evtowner, 'USAGE')
  ORDER BY 3 DESC, 1`;

/** What stands in the way, and the statement that cures it. */
export async function notReplaceable(
  connection: InternalConnection,
): Promise<{ readonly reason: string; readonly cure: string } | undefined> {
  const rows = await connection.rows(foreign);
  const [[what, owner, isDatabase] = []] = rows;
  if (what === undefined) return undefined;
  const [[role, database] = []] = await connection.rows('SELECT current_user, current_database()');
  const cure =
    isDatabase === 't' ? grants.database(database ?? '', role ?? '') : grants.owner(owner ?? '', role ?? '');
  const more = rows.length > 1 ? `, and ${rows.length - 1} more` : '';
  return {
    reason: `what it has cannot be replaced by role ${role}: ${what} belongs to ${owner}${more}`,
    cure,
  };
}
