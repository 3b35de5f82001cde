import { describe, expect, test } from 'vitest';
import { connect, withNode, withServers } from '../../support/index.ts';

const members = withServers(2);
const cluster = withNode(members);

describe('conversation: settings of Lockstep itself', () => {
  test.each([
    ['SET', 'SET lockstep.changes = $$+$$', []],
    ['set_config in the text', "SELECT set_config('lockstep.changes', '+', true)", []],
    ['set_config by parameter', 'SELECT set_config($1, $2, true)', ['lockstep.changes', '+']],
    [
      'the role that silences triggers',
      "SELECT set_config('session_replication_role', 'replica', false)",
      [],
    ],
  ])('are refused: %s', async (_how, text, values) => {
    const client = await connect(cluster.url);
    await expect(client.query(text, values)).rejects.toMatchObject({ code: '42501' });
  });

  test('RESET ALL is refused inside a transaction that has begun, and harmless outside', async () => {
    const client = await connect(cluster.url);
    await client.query('CREATE TABLE IF NOT EXISTS reset_all (a int)');
    await client.query('BEGIN');
    await client.query('INSERT INTO reset_all VALUES (1)');
    await expect(client.query('RESET ALL')).rejects.toMatchObject({ code: '25001' });
    await client.query('ROLLBACK');

    await client.query("SET application_name = 'x'");
    await client.query('RESET ALL');
    await client.query('INSERT INTO reset_all VALUES (2)');
    const onReplica = await members.servers[1]?.query('SELECT a FROM reset_all');
    expect(onReplica).toEqual([['2']]);
  });
});
