/** The admin address of a whole node with real members. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startNode, waitFor, withServers } from '../support/index.ts';

const fixture = withServers(2);

test('http: a node answers with its real status, and takes a member out and back for whoever has the token', async () => {
  const started = await startNode(fixture.servers, {
    config: { listen: { postgres: '127.0.0.1:0', admin: '127.0.0.1:0' } },
  });
  try {
    const { adminUrl } = started.node;
    const token = (await readFile(join(started.dir, 'state/admin-token'), 'utf8')).trim();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const status = async () => {
      const answer = await fetch(`${adminUrl}/api/status`, { headers });
      return (await answer.json()) as { members: { id: string; state: string }[] };
    };
    const states = async () => (await status()).members.map(({ state }) => state);
    expect(await states()).toEqual(['active', 'active']);
    expect((await fetch(`${adminUrl}/readiness`)).status).toBe(200);
    const command = (name: string, input: object) =>
      fetch(`${adminUrl}/api/commands/${name}`, { method: 'POST', headers, body: JSON.stringify(input) });
    expect((await command('deactivate-member', { member: 'db2', reason: 'new disk' })).status).toBe(200);
    expect(await states()).toEqual(['active', 'held']);
    const last = await command('deactivate-member', { member: 'db1' });
    expect(last.status).toBe(409);
    expect((await command('sync-member', { member: 'db2' })).status).toBe(202);
    await waitFor(async () => (await states()).every((state) => state === 'active'), {
      what: 'db2',
      timeoutMs: 60_000,
    });
  } finally {
    await started.stop();
  }
}, 120_000);
