import { describe, expect, test } from 'vitest';
import { connect, waitFor, withNode, withServers } from '../../support/index.ts';

const members = withServers(2);
const cluster = withNode(members);

describe('apply: schema statements', () => {
  test('a long read on a replica is answered elsewhere rather than that the replica is taken out', async () => {
    const { url, node } = cluster;
    const replica = members.servers[1];
    const admin = await connect(url);
    await admin.query('CREATE TABLE busy AS SELECT generate_series(1, 10) AS a');
    // At home on the primary, so that the next session is at home on the replica.
    await admin.query('SELECT sum(a) FROM busy');

    // A reader in the middle of a read-only transaction on the replica, holding its lock on the table.
    const reader = await connect(url);
    await reader.query('BEGIN READ ONLY');
    const before = await reader.query<{ sum: string }>('SELECT sum(a) FROM busy');
    await waitFor(
      async () => {
        const rows = await replica?.query(
          `SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'busy' AND l.granted`,
        );
        return rows?.[0]?.[0] !== '0';
      },
      { what: 'the reader holds its lock on the replica' },
    );

    await admin.query('ALTER TABLE busy ADD COLUMN b int');
    const status = await node.status();
    expect(status.members.filter((member) => member.active)).toHaveLength(2);

    // Its transaction went on elsewhere, with the same answer.
    const after = await reader.query<{ sum: string }>('SELECT sum(a) FROM busy');
    expect(after.rows).toEqual(before.rows);
    await reader.query('COMMIT');
  });
});
