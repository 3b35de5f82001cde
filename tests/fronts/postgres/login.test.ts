import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { Client } from 'pg';
import type { ClientConfig } from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ServerEncryption } from '../../../src/fronts/postgres/encryption.ts';
import {
  backend,
  readNegotiateProtocolVersion,
  sslRequest,
  startupMessage,
} from '../../../src/wire/postgres/index.ts';
import { psql, waitFor, whyNoTool } from '../../support/index.ts';
import { listen, messagesOf, selfSigned, trusting } from './listening.ts';
import { RawClient } from './raw-client.ts';

let certificate: ServerEncryption;
beforeAll(() => {
  certificate = selfSigned();
});

/** Logs in, asks, leaves. */
async function ask(url: string, options: ClientConfig = {}): Promise<unknown> {
  const client = new Client({ connectionString: url, ...options });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query('SELECT 1');
    return (rows[0] as { answer: unknown }).answer;
  } finally {
    await client.end();
  }
}

describe('passwords', () => {
  test('the cluster user and a configured user log in, also with a password beyond ASCII', async () => {
    const { url, clients } = await listen();
    expect(await ask(url('app', 'secret'))).toBe('it works');
    // SASLprep: the no-break space is a space and the half is 1⁄2.
    expect(await ask(url('reader', 'Grüße aus 1⁄2'))).toBe('it works');
    expect(clients.map(({ user }) => user)).toEqual([
      { name: 'app', password: 'secret', isClusterUser: true, isClient: true, isOperator: false },
      {
        name: 'reader',
        password: 'Grüße\u00a0aus ½',
        isClusterUser: false,
        isClient: true,
        isOperator: false,
      },
    ]);
  });

  test('a wrong password and an unknown user get the same answer', async () => {
    const { url, clients } = await listen();
    const expected = (user: string) => ({
      severity: 'FATAL',
      code: '28P01',
      message: `password authentication failed for user "${user}"`,
    });
    await expect(ask(url('app', 'wrong'))).rejects.toMatchObject(expected('app'));
    await expect(ask(url('nobody', 'secret'))).rejects.toMatchObject(expected('nobody'));
    await expect(ask(url('reader', 'secret'))).rejects.toMatchObject(expected('reader'));
    expect(clients).toEqual([]);
  });

  test('without a password configured, a local client is the cluster user at once', async () => {
    const { url, clients, port } = await listen({
      authentication: trusting,
    });
    expect(await ask(url('app'))).toBe('it works');
    expect(clients[0]?.user.isClusterUser).toBe(true);
    const other = await RawClient.connect(port);
    expect(await other.send(startupMessage([['user', 'root']])).fatal()).toMatchObject({ code: '28000' });
  });

  test('a user has to be named', async () => {
    const { port } = await listen();
    const client = await RawClient.connect(port);
    expect(await client.send(startupMessage([['database', 'orders']])).fatal()).toMatchObject({
      code: '28000',
      message: expect.stringContaining('no PostgreSQL user name'),
    });
  });

  test('a query instead of a proof is refused, and so is one that comes along with the start-up', async () => {
    const { port, clients } = await listen();
    const client = await RawClient.connect(port);
    client.send(Buffer.concat([startupMessage([['user', 'app']]), Buffer.from('Q\0\0\0\rSELECT 1\0')]));
    expect(await client.fatal()).toMatchObject({ severity: 'FATAL', code: '08P01' });
    expect(clients).toEqual([]);
  });
});

describe.skipIf(whyNoTool('psql'))('psql', () => {
  test('logs in with SCRAM', async () => {
    const { url } = await listen();
    expect(await psql(url('app', 'secret'), 'SELECT 1')).toMatchObject({ stdout: 'it works\n', status: 0 });
    const { stderr } = await psql(url('app', 'wrong'), 'SELECT 1');
    expect(stderr).toContain('FATAL:  password authentication failed for user "app"');
  });

  test('logs in over TLS, and binds the login to the certificate when it is told to', async () => {
    const { port, clients } = await listen({ tls: certificate });
    const place = `host=127.0.0.1 port=${port} user=app password=secret dbname=orders sslmode=require`;
    for (const binding of ['disable', 'prefer', 'require']) {
      const result = await psql(`${place} channel_binding=${binding}`, 'SELECT 1');
      expect(result).toMatchObject({ stdout: 'it works\n', stderr: '' });
    }
    expect(clients.every(({ socket }) => 'encrypted' in socket)).toBe(true);
    const inTheClear = await psql(
      `host=127.0.0.1 port=${port} user=app password=secret dbname=orders sslmode=disable`,
      'SELECT 1',
    );
    expect(inTheClear.stdout).toBe('it works\n');
  });

  test('that insists on TLS is told that there is none', async () => {
    const { url } = await listen();
    const { stderr } = await psql(url('app', 'secret', '?sslmode=require'), 'SELECT 1');
    expect(stderr).toContain('server does not support SSL');
  });

  test('is told the right name of the database, after it has proven who it is', async () => {
    const { url } = await listen();
    const wrong = (password: string) => psql(url('app', password).replace('/orders', '/shop'), 'SELECT 1');
    const { stderr } = await wrong('secret');
    expect(stderr).toContain('FATAL:  database "shop" does not exist');
    expect(stderr).toContain('"orders"');
    expect((await wrong('wrong')).stderr).not.toContain('shop" does not');
    const other = await psql(url('app', 'secret').replace('/orders', '/orders_db'), 'SELECT 1');
    expect(other.stdout).toBe('it works\n');
  });

  test('has its settings and options read', async () => {
    const { url, clients } = await listen();
    const options = encodeURIComponent('-c search_path=a,b --work-mem=1MB');
    await psql(url('app', 'secret', `?application_name=me&options=${options}`), 'SELECT 1');
    const parameters = Object.fromEntries(clients[0]?.parameters ?? []);
    expect(parameters).toMatchObject({ search_path: 'a,b', work_mem: '1MB', application_name: 'me' });
    expect(Object.keys(parameters)).not.toEqual(expect.arrayContaining(['user']));
    for (const name of ['user', 'database', 'options']) expect(parameters).not.toHaveProperty(name);
  });

  test.each([
    ['options=-c%20role%3Dpostgres', 'parameter "role" cannot be set when connecting'],
    ['options=-c%20session_replication_role%3Dreplica', '"session_replication_role" cannot be set'],
    ['options=-c%20lockstep.apply%3Don', '"lockstep.apply" cannot be set'],
    ['replication=database', 'replication connections are not supported'],
  ])('with %s is refused', async (words, message) => {
    const { url, clients } = await listen();
    const { stderr } = await psql(url('app', 'secret', `?${words}`), 'SELECT 1');
    expect(stderr).toContain(`FATAL:  `);
    expect(stderr).toContain(message);
    expect(clients).toEqual([]);
  });
});

describe('encryption', () => {
  test('node-postgres logs in over TLS, with and without channel binding', async () => {
    const { url } = await listen({ tls: certificate });
    const ssl = { ca: certificate.cert, checkServerIdentity: () => undefined };
    expect(await ask(url('app', 'secret'), { ssl })).toBe('it works');
    expect(await ask(url('app', 'secret'), { ssl, enableChannelBinding: true } as ClientConfig)).toBe(
      'it works',
    );
    await expect(ask(url('app', 'wrong'), { ssl })).rejects.toMatchObject({ code: '28P01' });
  });

  test('a local client needs no password over TLS either where none is configured', async () => {
    const authentication = trusting;
    const { url } = await listen({ tls: certificate, authentication });
    expect(await ask(url('app'), { ssl: { rejectUnauthorized: false } })).toBe('it works');
  });

  test('where it is required, a client in the clear is told so before it shows a password', async () => {
    const { url } = await listen({ tls: { ...certificate, required: true } });
    await expect(ask(url('app', 'secret'))).rejects.toMatchObject({
      code: '28000',
      message: 'only encrypted connections are accepted here',
    });
    expect(await ask(url('app', 'secret'), { ssl: { rejectUnauthorized: false } })).toBe('it works');
  });

  test('bytes that came before the encryption are never read as if they came after it', async () => {
    const { port, clients } = await listen({
      tls: certificate,
      authentication: trusting,
    });
    const client = await RawClient.connect(port);
    client.send(Buffer.concat([sslRequest(), startupMessage([['user', 'app']])]));
    expect(await client.fatal()).toMatchObject({ code: '08P01' });
    expect(clients).toEqual([]);
  });

  test('requests for encryption are answered N where there is none, in either order, each once', async () => {
    const { port } = await listen();
    const gssencRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]);
    const client = await RawClient.connect(port);
    client.send(gssencRequest);
    expect((await client.atLeast(1)).toString()).toBe('N');
    client.send(sslRequest());
    expect((await client.atLeast(2)).toString()).toBe('NN');
    client.send(sslRequest());
    const heard = await client.untilClosed();
    expect(messagesOf(heard.subarray(2)).map(({ type }) => type)).toEqual(['E']);
  });

  test('TLS older than 1.2 and another protocol over TLS are refused; a broken handshake ends the connection', async () => {
    const { port, listener } = await listen({ tls: certificate });
    const handshake = async (options: object) => {
      const raw = await RawClient.connect(port);
      raw.send(sslRequest());
      await raw.atLeast(1);
      raw.socket.removeAllListeners('data');
      const encrypted = connectTls({ socket: raw.socket, rejectUnauthorized: false, ...options });
      await once(encrypted, 'secureConnect');
      encrypted.destroy();
    };
    await handshake({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ALPNProtocols: ['postgresql'] });
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(handshake(old)).rejects.toThrow(/version/);
    await expect(handshake({ ALPNProtocols: ['http/1.1'] })).rejects.toThrow(/application protocol/);

    const broken = await RawClient.connect(port);
    broken.send(sslRequest());
    await broken.atLeast(1);
    await broken.send(Buffer.alloc(500, 0x41)).untilClosed();
    expect(listener.clients).toBe(0);
  });

  test('a handshake that is never finished ends with the time for the login', async () => {
    const { port } = await listen({ tls: certificate, loginMs: () => 200 });
    const client = await RawClient.connect(port);
    expect((await client.send(sslRequest()).untilClosed()).toString()).toBe('S');
  });

  test('a key that does not belong to the certificate is refused with an explanation', async () => {
    const tls = { cert: certificate.cert, key: selfSigned().key };
    await expect(listen({ tls })).rejects.toMatchObject({ code: 'front.bad-certificate' });
  });
});

describe('protocol versions', () => {
  const authentication = trusting;

  test.each([
    { minor: 0, agreed: 0, keyBytes: 4 },
    { minor: 2, agreed: 2, keyBytes: 32 },
    { minor: 9999, agreed: 2, keyBytes: 32 },
  ])(
    'a client of 3.$minor is served as 3.$agreed, with a key of $keyBytes bytes',
    async ({ minor, agreed, keyBytes }) => {
      const { port, clients } = await listen({ authentication });
      const client = await RawClient.connect(port);
      client.send(startupMessage([['user', 'app']], { minor }));
      await client.message('Z');
      expect(clients[0]).toMatchObject({ protocolMinor: agreed });
      expect(clients[0]?.cancelKey).toHaveLength(keyBytes);
      const negotiation = messagesOf(client.heard).filter(({ type }) => type === 'v');
      expect(negotiation).toHaveLength(minor > 2 ? 1 : 0);
    },
  );

  test('options of the protocol that are not known are named to the client, before the login', async () => {
    const { port, clients } = await listen({ authentication });
    const client = await RawClient.connect(port);
    client.send(
      startupMessage([
        ['user', 'app'],
        ['_pq_.compression', 'zstd'],
        ['TimeZone', 'UTC'],
      ]),
    );
    await client.message('Z');
    const [first, second] = messagesOf(client.heard);
    expect(readNegotiateProtocolVersion(first?.frame as Buffer)).toMatchObject({
      unknownOptions: ['_pq_.compression'],
    });
    expect(second?.frame).toEqual(backend.authenticationOk);
    expect([...(clients[0]?.parameters ?? [])]).toEqual([['TimeZone', 'UTC']]);
  });

  test('version 2 is refused', async () => {
    const { port } = await listen();
    const client = await RawClient.connect(port);
    client.send(Buffer.concat([Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0])]));
    expect(await client.fatal()).toMatchObject({ code: '0A000' });
  });
});

test('what follows the login at once is handed over with the client, and nothing of it is lost', async () => {
  const authentication = trusting;
  const { port, clients } = await listen({ authentication });
  const query = Buffer.from('Q\0\0\0\rSELECT 1\0');
  const client = await RawClient.connect(port);
  client.send(Buffer.concat([startupMessage([['user', 'app']]), query, query.subarray(0, 3)]));
  await client.message('C');
  client.send(query.subarray(3));
  await waitFor(() => messagesOf(client.heard).filter(({ type }) => type === 'C').length === 2, {
    what: 'the second answer',
  });
  expect(clients[0]?.rest).toEqual(Buffer.concat([query, query.subarray(0, 3)]));
});
