/** Tables whose changes would reach no other member, because a trigger of ours is missing, disabled or not ours. */

import { systemClock } from '../../../base/index.ts';
import { MemberError } from '../../contract.ts';
import type { Finding } from '../../sync-contract.ts';
import { relationName, userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { syncSettings } from './sync-settings.ts';

/** Whoever writes to the table is waited for; whoever wants to write meanwhile waits behind us. */
const lockMs = 200;
const patienceMs = 10_000;

export async function unwatchedTables(connection: InternalConnection): Promise<readonly Finding[]> {
  const rows = await connection.rows(
    `SELECT ${relationName}, string_agg(format('"%s"', w.name), ', ' ORDER BY w.name)
       FROM ${userRelations('r')}
      CROSS JOIN (VALUES ('!lockstep_capture', 'capture_%'), ('!lockstep_inserted', 'inserted_%'), ('!lockstep_truncate', 'capture_truncate')) AS w (name, calls)
      WHERE NOT (c.relispartition AND w.name = '!lockstep_inserted')
        AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname = 'lockstep'
                         WHERE t.tgrelid = c.oid AND t.tgname = w.name AND t.tgenabled = 'O' AND p.proname LIKE w.calls)
      GROUP BY 1 ORDER BY 1`,
  );
  return rows.map(([table, triggers]) => ({
    what: table ?? '',
    text: `table ${table} is not watched: missing or disabled on it are ${triggers}`,
  }));
}

/** Puts every missing trigger back. Where somebody writes without an end, it gives up. */
export async function watchTables(member: PostgresMember, term: number): Promise<void> {
  const connection = await member.openInternal({ ...syncSettings, lock_timeout: String(lockMs) });
  const deadline = systemClock.monotonicMs() + patienceMs;
  try {
    for (;;) {
      try {
        await connection.query(
          `BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL client_min_messages = error;
           SELECT lockstep.attach(), lockstep.fence(${term}); COMMIT`,
        );
        return;
      } catch (error) {
        const busy = error instanceof MemberError && error.blame === 'retry';
        if (!busy || systemClock.monotonicMs() > deadline) throw error;
        await connection.query('ROLLBACK');
      }
    }
  } finally {
    connection.close();
  }
}
