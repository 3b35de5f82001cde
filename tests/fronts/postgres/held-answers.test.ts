/** Answers to the statements of one message come together, as from one server: clients take what has begun to come for complete. */

import { expect, test } from 'vitest';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { connect, waitFor, withNode, withServers } from '../../support/index.ts';
import { describe, ProtocolClient } from '../../support/protocol-client.ts';

const servers = withServers(2);
const node = withNode(servers);

const waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

test.each([
  ['little', 'SET work_mem = 4096; SELECT 1; SELECT pg_advisory_xact_lock(78); SELECT 2', false],
  ['much', "SELECT repeat('x', 9000); SELECT pg_advisory_xact_lock(78); SELECT 2", true],
  ['a notice', "SELECT 1; DO $$ BEGIN RAISE NOTICE 'here'; END $$; SELECT pg_advisory_xact_lock(78)", true],
])('%s in front of a statement that waits', async (_, sql, comes) => {
  const primary = servers.server(0);
  for (const url of [primary.url, node.url]) {
    const holder = await connect(primary.url);
    await holder.query('SELECT pg_advisory_lock(78)');
    const client = await ProtocolClient.connect(url, { deadlineMs: 20_000 });
    client.heard.length = 0;
    client.send(frontend.query(sql));
    await waitFor(async () => (await primary.query(waiting))[0]?.[0] === '1', { what: 'it waits' });
    if (comes) await waitFor(() => client.heard.length > 0, { what: 'what comes first' });
    else expect(client.heard, url).toEqual([]);
    await holder.query('SELECT pg_advisory_unlock(78)');
    const answers = (await client.until('Z')).map(describe);
    expect(answers.at(-1), url).toBe('Z I');
    client.destroy();
    await holder.end();
  }
});
