/**
 * A long read holds up statements that change a table, and everybody behind them. Nobody shall wait for a synchronisation: the
 * reading gives way.
 */

import { LockstepError, pause, systemClock } from '../../../base/index.ts';
import type { PostgresMember } from '../postgres-member.ts';
import type { Crew } from './crew.ts';
import { syncApplication, syncSettings } from './sync-settings.ts';

const lookEveryMs = 100;

/** Also those of pg_dump. */
const readers = `SELECT pid FROM pg_stat_activity WHERE application_name = '${syncApplication}' AND datname = current_database()`;
const waiters = `SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND pg_blocking_pids(pid) && ARRAY(${readers})`;

/** Looks on until the work ends, and stops it when somebody has been kept waiting at two looks in a row. Never rejects. */
export async function giveWayToSchemaWork(
  crew: Crew,
  member: PostgresMember,
  until: AbortSignal,
): Promise<void> {
  try {
    const connection = await crew.open(member, syncSettings);
    let seen = new Set<string | null>();
    while (!until.aborted) {
      const waiting = (await connection.rows(waiters)).map(([pid]) => pid ?? null);
      if (waiting.some((pid) => seen.has(pid))) {
        crew.stop(
          new LockstepError({
            code: 'sync.gave-way',
            message: `reading from member ${member.id} was given up, because a statement that changes a table had to wait for it`,
            retryable: true,
          }),
        );
        return;
      }
      seen = new Set(waiting);
      await pause(systemClock, lookEveryMs, until);
    }
  } catch (error) {
    // Without this the reading could hold up the member's clients.
    if (!until.aborted) crew.stop(error);
  }
}
