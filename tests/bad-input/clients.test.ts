/** Clients that have logged in and then do what no client should: they are told, or cut off, and leave nothing behind. */

import { once } from 'node:events';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { frontend } from '../../src/wire/postgres/index.ts';
import { connect, waitFor, withNode, withServers } from '../support/index.ts';
import { describe as inWords, errorOf, ProtocolClient } from '../support/protocol-client.ts';
import type { Heard } from '../support/protocol-client.ts';
import { expectNothingLeft, placeOf, whileOthersWork } from './harm.ts';

const {
  bind,
  close,
  copyData,
  copyDone,
  copyFail,
  describe: describeMessage,
  execute,
  flush,
  parse,
  query,
  sync,
  terminate,
} = frontend;

const GB = 1 << 30;
/** The longest that a server reads. */
const most = GB - 2;
const servers = withServers(2);
const node = withNode(servers);
const place = placeOf(servers, node);

/** The first bytes of a message that announces `length`. */
function announced(type: string, length: number, rest = ''): Buffer {
  const bytes = Buffer.from(`${type}....${rest}`, 'latin1');
  bytes.writeInt32BE(length, 1);
  return bytes;
}

async function untilClosed(client: ProtocolClient): Promise<Heard[]> {
  if (!client.socket.closed) await once(client.socket, 'close');
  return client.heard.splice(0);
}

describe('bad messages', () => {
  afterEach(() => expectNothingLeft(place()));

  test.each([
    ['of a type that nobody knows', announced('~', 4), 'unexpected message'],
    ['of a length below its own', announced('Q', 3), 'announces 3 bytes'],
    ['of a negative length', announced('P', -1), 'announces -1 bytes'],
    ['of a gigabyte, which no server takes', announced('B', GB), 'announces 1073741824 bytes'],
    ['of two gigabytes', announced('d', 0x7fffffff), 'announces 2147483647 bytes'],
    [
      'of a gigabyte where one of five bytes is due',
      announced('S', most, 'x'.repeat(5000)),
      'unexpected message',
    ],
    ['about a name of 20 kB', describeMessage('statement', 'n'.repeat(20_000)), 'unexpected message'],
    ['that are noise', Buffer.alloc(100_000, 0xee), 'announces'],
    ['that end before their text does', query('SELECT 1').fill('x', 5), ''],
    ['with the login of somebody else', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), ''],
  ])(
    '%s: what was asked before is answered, then the connection ends with the reason',
    async (_what, bytes, reason) => {
      const client = await ProtocolClient.connect(node.url);
      client.send(query('SELECT 1 AS one'), query('SELEC'), bytes);
      const heard = await untilClosed(client);
      expect(heard.map(inWords).slice(0, -1)).toEqual([
        'T one',
        'D 1',
        'C SELECT 1',
        'Z I',
        'E 42601',
        'Z I',
      ]);
      expect(errorOf(heard.slice(-1))).toMatchObject({
        severity: 'FATAL',
        code: '08P01',
        message: expect.stringContaining(reason),
      });
    },
  );

  test.each([
    ['a query', [announced('Q', most, 'INSERT INTO t VALUES (1')]],
    ['a long query', [announced('Q', most, `INSERT INTO t VALUES ('${'x'.repeat(500_000)}`)]],
    ['a statement', [announced('P', most, `s\0INSERT INTO t VALUES ('${'x'.repeat(5_000)}`)]],
    [
      'a value',
      [
        parse({ name: 's', query: 'SELECT $1' }),
        announced('B', most, `\0s\0\0\0\0\x01${'\x20'.repeat(5_000)}`),
      ],
    ],
    ['a copy', [query('COPY t FROM STDIN'), announced('d', most, 'x\n'.repeat(500_000))]],
  ])('%s of a gigabyte that never comes costs nobody anything', async (_what, frames) => {
    const admin = await connect(node.url);
    await admin.query('DROP TABLE IF EXISTS t; CREATE TABLE t (v text)');
    const clients = await Promise.all(Array.from({ length: 10 }, () => ProtocolClient.connect(node.url)));
    const before = process.memoryUsage().rss;
    await whileOthersWork(place(), async () => {
      for (const client of clients) client.send(...frames);
      for (let i = 0; i < 20; i++) await admin.query('SELECT count(*) FROM t');
    });
    // Announced are ten gigabytes.
    expect(process.memoryUsage().rss - before).toBeLessThan(GB / 4);
    for (const client of clients) client.destroy();
    expect((await admin.query('SELECT FROM t')).rowCount).toBe(0);
    await admin.end();
  });

  test('a large query whose member is lost before all of it was sent gets an error, and the session goes on', async () => {
    const client = await ProtocolClient.connect(node.url, { settings: { application_name: 'large' } });
    const bytes = 8 << 20;
    client.send(announced('Q', 4 + bytes, `SELECT '${'x'.repeat(bytes / 2)}`));
    await waitFor(
      async () => {
        const killed = await servers
          .server(0)
          .query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'large' AND xact_start IS NOT NULL`,
          );
        return killed.length === 1;
      },
      { what: 'the query to be on its way' },
    );
    client.send(Buffer.from(`${'x'.repeat(bytes / 2 - 10)}'\0`));
    expect(await client.answer()).toEqual(['E 40001', 'Z I']);
    expect(await client.query('SELECT 1 AS one')).toEqual(['T one', 'D 1', 'C SELECT 1', 'Z I']);
    client.close();
  });

  test('cut off anywhere, with the connection closed or torn, leave nothing', async () => {
    const messages = Buffer.concat([
      query('SELECT 1'),
      query('BEGIN'),
      query('CREATE TABLE cut (n int)'),
      parse({ name: 's', query: 'INSERT INTO cut VALUES ($1)' }),
      bind({ statement: 's', values: ['1'] }),
      execute(),
      flush,
      sync,
      query('COPY cut FROM STDIN'),
      copyData(Buffer.from('2\n')),
    ]);
    await whileOthersWork(place(), async () => {
      for (let bytes = 1; bytes <= messages.length; bytes += 5) {
        const [closed, torn] = [
          await ProtocolClient.connect(node.url),
          await ProtocolClient.connect(node.url),
        ];
        closed.send(messages.subarray(0, bytes)).socket.end();
        torn.send(messages.subarray(0, bytes)).socket.resetAndDestroy();
        await untilClosed(closed);
      }
    });
    const admin = await connect(node.url);
    expect((await admin.query(`SELECT to_regclass('cut') AS cut`)).rows).toEqual([{ cut: null }]);
    await admin.end();
  });

  test('at random, right and wrong, end in an answer or in the end of the connection', async () => {
    const admin = await connect(node.url);
    await admin.query('CREATE TABLE fuzz (n int PRIMARY KEY)');
    await admin.end();
    const right = fc.constantFrom(
      ...[
        '',
        'SELECT 1',
        'SELEC',
        'BEGIN',
        'COMMIT',
        'ROLLBACK',
        'SELECT 1/0; SELECT 2',
        'SET work_mem = 100',
      ].map(query),
      ...[
        'INSERT INTO fuzz VALUES (1)',
        'COPY fuzz FROM STDIN',
        'COPY fuzz TO STDOUT',
        'SAVEPOINT s',
        'DELETE FROM fuzz',
      ].map(query),
      ...['', 's'].flatMap((name) => [
        parse({ name, query: 'INSERT INTO fuzz VALUES ($1)' }),
        parse({ name, query: 'COPY fuzz FROM STDIN' }),
        parse({ name, query: 'BEGIN' }),
        bind({ statement: name, values: ['2'] }),
        bind({ statement: name, values: [] }),
        describeMessage('statement', name),
        close('statement', name),
      ]),
      describeMessage('portal'),
      close('portal'),
      execute(),
      execute('', 1),
      flush,
      sync,
      copyData(Buffer.from('3\n')),
      copyData(Buffer.alloc(300_000, '4\n')),
      copyFail('no'),
      copyDone,
      query(`SELECT '${'large'.repeat(60_000)}'`),
    );
    const wrong = fc
      .tuple(
        fc.constantFrom('Q', 'P', 'B', 'E', 'D', 'C', 'd', 'c', 'f', 'F', 'p', '~'),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([type, body]) => announced(type, 4 + body.length, Buffer.from(body).toString('latin1')));
    const messages = fc.array(fc.oneof({ weight: 30, arbitrary: right }, { weight: 1, arbitrary: wrong }), {
      maxLength: 20,
    });
    await whileOthersWork(place(), async () => {
      await fc.assert(
        fc.asyncProperty(messages, async (frames) => {
          const client = await ProtocolClient.connect(node.url);
          // Whatever state it is in, and be it in a COPY, here it ends.
          client.send(...frames, sync, copyDone, sync, query('ROLLBACK'), query(`SELECT 'alive'`), terminate);
          const heard = await untilClosed(client);
          const errors = heard.filter(({ type }) => type === 'E').map((message) => errorOf([message]));
          for (const { message } of errors) expect(message).not.toMatch(/internal error/);
          if (errors.at(-1)?.severity !== 'FATAL')
            expect(heard.map(inWords).slice(-4)).toEqual(['T ?column?', 'D alive', 'C SELECT 1', 'Z I']);
        }),
        { numRuns: 120 },
      );
    });
  });
});

describe('half-closed connections', () => {
  afterEach(() => expectNothingLeft(place()));

  test('a client that asks and says nothing more gets all its answers', async () => {
    const client = await ProtocolClient.connect(node.url);
    client.send(
      query('SELECT pg_sleep(0.2)'),
      query(`SELECT repeat('x', 3000000)`),
      query('SELECT 3 AS three'),
    );
    client.socket.end();
    const heard = await untilClosed(client);
    expect(heard.map(({ type }) => type).join('')).toBe('TDCZTDCZTDCZ');
  });

  test('a transaction that is left open gives its locks back', async () => {
    const admin = await connect(node.url);
    await admin.query('CREATE TABLE locked (n int); INSERT INTO locked VALUES (1)');
    const client = await ProtocolClient.connect(node.url);
    await client.query('BEGIN');
    await client.query('UPDATE locked SET n = 2');
    const waiting = admin.query('UPDATE locked SET n = n + 10 RETURNING n');
    client.socket.end();
    expect((await waiting).rows).toEqual([{ n: 11 }]);
    await untilClosed(client);
    await admin.end();
  });

  test('a COPY that is left open takes in nothing', async () => {
    const admin = await connect(node.url);
    await admin.query('CREATE TABLE copied (n int)');
    const client = await ProtocolClient.connect(node.url);
    client.send(query('COPY copied FROM STDIN'));
    await client.until('G');
    client.send(copyData(Buffer.from('1\n2\n'))).socket.end();
    await untilClosed(client);
    expect((await admin.query('SELECT FROM copied')).rowCount).toBe(0);
    await admin.end();
  });

  test('a client that says goodbye and keeps its side open is gone all the same', async () => {
    const client = await ProtocolClient.connect(node.url);
    client.send(query('SELEC'), terminate);
    await waitFor(async () => (await node.node.status()).clients === 0, { what: 'the session to end' });
    expect((await untilClosed(client)).map(inWords)).toEqual(['E 42601', 'Z I']);
  });
});
