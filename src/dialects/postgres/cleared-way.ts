/**
 * A replica's transaction that applies may have to wait for somebody: a reader, whoever clears up or rebuilds a table, an operator. They get
 * a moment; then they are ended, because the order goes on and all clients wait for it. Readers are answered elsewhere.
 */

import type { InternalConnection } from './internal-connection.ts';

/** Who is found to be in the way at two looks in a row is ended. */
const lookEveryMs = 250;

/**
 * Looks on while the process `pid` is at `work`. What it waits for in the control schema is another node's: that is never ended. But the
 * fence of schema statements is held on a replica by a trial alone that was given up.
 */
export async function withWayCleared<T>(
  work: Promise<T>,
  { pid, connect }: { readonly pid: number; readonly connect: () => Promise<InternalConnection> },
): Promise<T> {
  let connection: InternalConnection | undefined;
  let seen = new Set<string>();
  let over = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const opened = connection ?? (await connect());
    connection = opened;
    if (over) return opened.close();
    const found = await opened.rows(inTheWayOf(pid));
    const inTheWay = found.map(([blocker]) => blocker ?? '');
    const lasting = inTheWay.filter((blocker) => seen.has(blocker));
    if (lasting.length > 0 && !over)
      await opened.query(`SELECT pg_terminate_backend(p) FROM unnest(ARRAY[${lasting.join(', ')}]) AS p`);
    seen = new Set(inTheWay);
  };
  const lookLater = (): void => {
    timer = setTimeout(() => {
      // Whether the member can be asked at all is for others to judge.
      void look()
        .catch(() => {
          connection?.close();
          connection = undefined;
        })
        .then(() => {
          if (!over) lookLater();
        });
    }, lookEveryMs);
  };
  lookLater();
  try {
    return await work;
  } finally {
    over = true;
    clearTimeout(timer);
    connection?.close();
  }
}

function inTheWayOf(pid: number): string {
  return `SELECT DISTINCT p FROM pg_locks l, unnest(pg_blocking_pids(l.pid)) AS p
    WHERE l.pid = ${pid} AND NOT l.granted AND p > 0
      AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.relation AND c.relnamespace = to_regnamespace('lockstep') AND c.relname <> 'schema_fence')`;
}
