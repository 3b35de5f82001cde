import type { InternalConnection } from './internal-connection.ts';

/** While it is waited for a backend to end. */
const endedPollMs = 5;

/** Ends server processes and waits until their transactions are over, one way or the other. */
export async function endBackends(connection: InternalConnection, pids: readonly number[]): Promise<void> {
  const theirs = `pid IN (${pids.join(', ')}) AND pid <> pg_backend_pid() AND datname = current_database()`;
  await connection.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${theirs}`);
  for (;;) {
    const alive = await connection.rows(`SELECT FROM pg_stat_activity WHERE ${theirs}`);
    if (alive.length === 0) return;
    await connection.query(`SELECT pg_sleep(${endedPollMs / 1000})`);
  }
}
