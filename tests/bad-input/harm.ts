/** What must not happen to others while somebody misbehaves, and what must not stay behind. */

import { expect } from 'vitest';
import type { LockstepNode } from '../../src/node/index.ts';
import type { PostgresServer } from '../../src/testing/index.ts';
import { connect, waitFor } from '../support/index.ts';

export interface Place {
  /** For somebody honest. */
  readonly url: string;
  readonly node: LockstepNode;
  readonly servers: readonly PostgresServer[];
}

/** Asked for anew each time: while the file is read, nothing runs yet. */
export function placeOf(
  fixture: { readonly servers: readonly PostgresServer[] },
  node: { readonly url: string; readonly node: LockstepNode },
  password?: string,
): () => Place {
  return () => {
    const url = new URL(node.url);
    if (password !== undefined) url.password = password;
    return { url: url.href, node: node.node, servers: fixture.servers };
  };
}

/** Somebody else reads and writes all the while, and every statement is answered rightly. Returns how many there were. */
export async function whileOthersWork({ url }: Place, work: () => Promise<void>): Promise<number> {
  const client = await connect(url, { application_name: 'others' });
  await client.query('CREATE TABLE IF NOT EXISTS others (n int)');
  await client.query('TRUNCATE others');
  await client.query('INSERT INTO others VALUES (0)');
  const over = new AbortController();
  const others = goOn(client, over.signal);
  try {
    await work();
    over.abort();
    return await others;
  } finally {
    over.abort();
    await client.end();
  }
}

async function goOn(client: Awaited<ReturnType<typeof connect>>, signal: AbortSignal): Promise<number> {
  let count = 0;
  do {
    await client.query('UPDATE others SET n = n + 1');
    count += 1;
    expect((await client.query('SELECT n FROM others')).rows).toEqual([{ n: count }]);
  } while (!signal.aborted);
  return count;
}

/** Besides the engine's own, no session is left in the node, and no connection on any member. */
export async function expectNothingLeft({ url, node, servers }: Place): Promise<void> {
  await waitFor(async () => (await node.status()).clients === 0, { what: 'the sessions to end' });
  const database = new URL(url).pathname.slice(1);
  for (const server of servers) {
    await waitFor(
      async () => {
        const left = await server.query(
          `SELECT pid, application_name, state, left(query, 100) FROM pg_stat_activity
            WHERE datname = '${database}' AND backend_type = 'client backend'
              AND application_name NOT LIKE 'lockstep%' AND pid <> pg_backend_pid()`,
        );
        if (left.length > 0) throw new Error(JSON.stringify(left));
        return true;
      },
      { what: 'their connections to end' },
    );
  }
}
