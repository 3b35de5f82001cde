import { describe, expect, test } from 'vitest';
import { formatVerifier, makeVerifier, parseVerifier } from '../../../src/wire/postgres/index.ts';
import { connect, withNode, withServers } from '../../support/index.ts';

const members = withServers(2);
const cluster = withNode(members);

describe('conversation: passwords of roles', () => {
  test('are on every member as a verifier, the same on each, and in no commit log', async () => {
    const client = await connect(cluster.url);
    await client.query("CREATE ROLE with_password LOGIN PASSWORD 'planted one'");
    await client.query('ALTER ROLE with_password\nENCRYPTED PASSWORD $$planted two$$');
    await client.query('BEGIN');
    await client.query("ALTER ROLE with_password PASSWORD 'planted three' CONNECTION LIMIT 7");
    await client.query('COMMIT');
    const verifier = "SELECT rolpassword FROM pg_authid WHERE rolname = 'with_password' AND rolconnlimit = 7";
    const [[kept = null] = []] = await members.server(0).query(verifier);
    expect(await provesPassword(kept ?? '', 'planted three')).toBe(true);
    for (const server of members.servers) {
      expect(await server.query(verifier)).toEqual([[kept]]);
      const [[log = null] = []] = await server.query("SELECT string_agg(l::text, ' ') FROM lockstep.log l");
      const holds = (word: string): boolean => log?.includes(Buffer.from(word).toString('hex')) === true;
      expect([holds('with_password'), holds('planted')]).toEqual([true, false]);
    }
  });

  test('that cannot be read as one string are refused, and change nothing', async () => {
    const client = await connect(cluster.url);
    await expect(client.query("CREATE ROLE no_password PASSWORD E'planted'")).rejects.toMatchObject({
      code: '0A000',
    });
    await expect(
      client.query("DO $$ BEGIN CREATE ROLE no_password PASSWORD 'planted'; END $$"),
    ).rejects.toMatchObject({
      code: '0A000',
    });
    expect((await client.query("SELECT 1 FROM pg_roles WHERE rolname = 'no_password'")).rows).toEqual([]);
  });
});

async function provesPassword(verifier: string, password: string): Promise<boolean> {
  const parsed = parseVerifier(verifier);
  return parsed !== undefined && formatVerifier(await makeVerifier(password, parsed)) === verifier;
}

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
