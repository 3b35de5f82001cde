/** Whoever has not logged in, at the door of a whole node: nobody inside notices, and no member hears of it. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatVerifier, frontend, makeVerifier, startupMessage } from '../../src/wire/postgres/index.ts';
import { RawClient } from '../fronts/postgres/raw-client.ts';
import { connect, waitFor, withNode, withServers } from '../support/index.ts';
import { expectNothingLeft, placeOf, whileOthersWork } from './harm.ts';

const password = 'the right one';
const servers = withServers(2);
const node = withNode(servers, {
  config: { password, limits: { maxPreAuthClients: 100 }, deadlines: { loginMs: 1500 } },
});
const place = placeOf(servers, node, password);

const startup = (): Buffer => {
  const { username, pathname } = new URL(place().url);
  return startupMessage([
    ['user', username],
    ['database', pathname.slice(1)],
  ]);
};

/** Connections that were made to the members by and for clients so far, whether or not they are still there. */
async function sessionsMade(): Promise<number> {
  const counts = await Promise.all(
    servers.servers.map((server) =>
      server.query('SELECT sessions FROM pg_stat_database WHERE datname = current_database()'),
    ),
  );
  return counts.flat(2).reduce((sum, count) => sum + Number(count), 0);
}

describe('strangers', () => {
  afterEach(() => expectNothingLeft(place()));

  test('who guess passwords are told that theirs is wrong, and no member is asked', async () => {
    const wrong = new URL(place().url);
    wrong.password = 'wrong';
    const before = await sessionsMade();
    const answers = await Promise.allSettled(Array.from({ length: 50 }, () => connect(wrong.href)));
    for (const answer of answers)
      expect(answer).toMatchObject({
        reason: {
          code: '28P01',
          message: `password authentication failed for user "${wrong.username}"`,
        },
      });
    // Each question is a connection of its own; what the node asks for itself meanwhile counts as well.
    expect((await sessionsMade()) - before).toBeLessThan(answers.length);
  });

  test('who ask for a database that is not here are told which one is, once they have proven who they are', async () => {
    const elsewhere = new URL(place().url);
    elsewhere.pathname = '/elsewhere';
    await expect(connect(elsewhere.href)).rejects.toMatchObject({
      code: '3D000',
      message: 'database "elsewhere" does not exist',
      hint: 'the database here is "test"',
    });
    elsewhere.password = 'wrong';
    await expect(connect(elsewhere.href)).rejects.toMatchObject({ code: '28P01' });
  });

  test('who break off anywhere in their login leave nothing', async () => {
    const login = Buffer.concat([
      startup(),
      frontend.saslInitialResponse('SCRAM-SHA-256', Buffer.from('n,,n=,r=rOprNGfwEbeRWgbNEkqO')),
    ]);
    await whileOthersWork(place(), async () => {
      for (let bytes = 0; bytes <= login.length; bytes += 3) {
        const [closed, torn] = [await RawClient.connect(node.port), await RawClient.connect(node.port)];
        closed.send(login.subarray(0, bytes)).socket.end();
        torn.send(login.subarray(0, bytes)).socket.resetAndDestroy();
        await closed.untilClosed();
      }
    });
  });

  test('who come in a flood and say nothing keep nobody out for longer than a second', async () => {
    await whileOthersWork(place(), async () => {
      const flood = await Promise.all(Array.from({ length: 600 }, () => RawClient.connect(node.port)));
      await waitFor(() => flood.filter(({ socket }) => socket.closed).length >= 500, {
        what: 'those beyond the limit to be refused',
      });
      const newcomer = await waitFor(() => connect(place().url), { what: 'a place for somebody honest' });
      expect((await newcomer.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await newcomer.end();
      // In time they all go.
      await Promise.all(flood.map((client) => client.untilClosed()));
    });
  });

  test('who send their login byte by byte, for ever, are told that it takes too long', async () => {
    const bytes = startup();
    await whileOthersWork(place(), async () => {
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(node.port)));
      const dripping = clients.map((client, i) => {
        let at = 0;
        const timer = setInterval(() => client.send(bytes.subarray(at, ++at)), 40 + i);
        void once(client.socket, 'close').then(() => clearInterval(timer));
        return client.fatal();
      });
      for (const fatal of dripping)
        expect(await fatal).toMatchObject({
          code: '57014',
          message: 'canceling authentication due to timeout',
        });
    });
  });
});

describe('clients whose passwords the members keep', () => {
  const own = 'the one of Lockstep';
  const members = withServers(2, { password: own });
  beforeAll(async () => {
    const verifier = formatVerifier(await makeVerifier('kept by them'));
    for (const server of members.servers) {
      await server.query(
        `CREATE ROLE app LOGIN PASSWORD '${verifier}'; GRANT CREATE ON SCHEMA public TO app`,
      );
      await server.query(`CREATE ROLE over LOGIN PASSWORD '${verifier}' VALID UNTIL '2020-01-01'`);
      await server.query(
        `CREATE ROLE chief LOGIN PASSWORD '${verifier}'; CREATE ROLE unlisted LOGIN PASSWORD '${verifier}'`,
      );
    }
  });
  const door = withNode(members, {
    config: { clients: ['app', 'over'], admin: { users: ['chief'] }, balancer: 'round-robin' },
  });
  const urlOf = (user: string, secret: string, database?: string): string => {
    const url = new URL(door.url);
    url.username = user;
    url.password = secret;
    if (database !== undefined) url.pathname = `/${database}`;
    return url.href;
  };
  const whoIsThere = async (member: number): Promise<readonly unknown[]> =>
    (
      await members
        .server(member)
        .query(`SELECT DISTINCT usename FROM pg_stat_activity WHERE usename IN ('app', 'chief')`)
    ).flat();

  test('are known to the members as who they are, and stay when the primary is moved', async () => {
    const client = await connect(urlOf('app', 'kept by them'));
    await client.query('CREATE TABLE mine (i int)');
    await client.query('INSERT INTO mine SELECT generate_series(1, 3)');
    expect((await client.query('SELECT current_user')).rows).toEqual([{ current_user: 'app' }]);
    await waitFor(
      async () => {
        expect((await client.query('SELECT count(*)::int FROM mine')).rows).toEqual([{ count: 3 }]);
        return (await whoIsThere(1)).length === 1;
      },
      { what: 'a read on the replica' },
    );
    await door.node.switchPrimary('db2');
    await client.query('INSERT INTO mine VALUES (4)');
    const later = await connect(urlOf('app', 'kept by them'));
    expect((await later.query('SELECT count(*)::int FROM mine')).rows).toEqual([{ count: 4 }]);
    await client.end();
    await later.end();
  });

  test('are refused as the members would: a wrong password, one that is over, no such role, one that is not listed', async () => {
    for (const [user, secret] of [
      ['app', 'wrong'],
      ['over', 'kept by them'],
      ['nobody', 'kept by them'],
      ['unlisted', 'kept by them'],
    ] as const)
      await expect(connect(urlOf(user, secret)), user).rejects.toMatchObject({
        code: '28P01',
        message: `password authentication failed for user "${user}"`,
      });
  });

  test('a changed password is in force at once', async () => {
    const client = await connect(urlOf('app', 'kept by them'));
    await client.query(`ALTER ROLE app PASSWORD 'another one'`);
    await expect(connect(urlOf('app', 'kept by them'))).rejects.toMatchObject({ code: '28P01' });
    const again = await connect(urlOf('app', 'another one'));
    expect((await again.query('SELECT count(*)::int FROM mine')).rows).toEqual([{ count: 4 }]);
    await client.end();
    await again.end();
  });

  test("the name and the password with which the node works open neither the data nor the operator's database", async () => {
    for (const database of ['postgres', 'test', 'lockstep'])
      await expect(connect(urlOf('postgres', own, database)), database).rejects.toMatchObject({
        code: '28P01',
      });
  });

  test('who is listed for one of the two is told so at the other', async () => {
    const commands = await connect(urlOf('chief', 'kept by them', 'lockstep'));
    expect((await commands.query('SHOW MEMBERS')).rows).toHaveLength(2);
    await commands.end();
    await expect(connect(urlOf('chief', 'kept by them'))).rejects.toMatchObject({ code: '42501' });
    await expect(connect(urlOf('app', 'another one', 'lockstep'))).rejects.toMatchObject({
      code: '42501',
      hint: expect.stringContaining('admin.users'),
    });
  });

  test('whoever can read the token on this machine commands Lockstep as operator', async () => {
    const token = (await readFile(join(door.dir, 'state', 'admin-token'), 'utf8')).trim();
    const commands = await connect(urlOf('operator', token, 'lockstep'));
    expect((await commands.query('SHOW MEMBERS')).rows).toHaveLength(2);
    await commands.end();
    for (const [secret, database] of [
      ['wrong', 'lockstep'],
      [token, 'test'],
    ] as const)
      await expect(connect(urlOf('operator', secret, database))).rejects.toMatchObject({ code: '28P01' });
  });
});
