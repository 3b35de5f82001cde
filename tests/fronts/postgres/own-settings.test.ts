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

  test('RESET ALL loses nothing, outside of a transaction and at any place inside', async () => {
    const client = await connect(cluster.url);
    await client.query('CREATE TABLE reset_all (a int)');
    await client.query("SET application_name = 'x'");
    await client.query('RESET ALL');
    await client.query('INSERT INTO reset_all VALUES (1)');
    await client.query('BEGIN');
    await client.query('RESET ALL');
    await client.query('INSERT INTO reset_all VALUES (2)');
    await client.query('RESET ALL');
    await client.query('INSERT INTO reset_all VALUES (3)');
    await client.query('SAVEPOINT s');
    await client.query('INSERT INTO reset_all VALUES (4)');
    await client.query('RESET ALL');
    await client.query('ROLLBACK TO s');
    await client.query('INSERT INTO reset_all SELECT 5 FROM generate_series(1, 2000)');
    await client.query('RESET ALL');
    await client.query('INSERT INTO reset_all VALUES (6)');
    await client.query('COMMIT');
    for (const server of members.servers) {
      expect(await server.query('SELECT a, count(*) FROM reset_all GROUP BY 1 ORDER BY 1')).toEqual([
        ['1', '1'],
        ['2', '1'],
        ['3', '1'],
        ['5', '2000'],
        ['6', '1'],
      ]);
    }
  });

  test.each([
    ['asyncpg', 'SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;'],
    [
      'Npgsql',
      'SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP',
    ],
    ['pgbouncer', 'DISCARD ALL'],
  ])('the text with which %s cleans a session does so', async (_who, text) => {
    const [client, other] = [await connect(cluster.url), await connect(cluster.url)];
    await client.query("SET application_name = 'dirty'");
    await client.query('SELECT pg_advisory_lock(7)');
    await client.query(text);
    expect((await client.query('SHOW application_name')).rows).toEqual([{ application_name: '' }]);
    expect((await other.query('SELECT pg_try_advisory_xact_lock(7) AS free')).rows).toEqual([{ free: true }]);
  });
});
