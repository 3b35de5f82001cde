/**
 * However much goes through it, the node stays small: 300 MB over its idle size at most. It runs as a process of its own,
 * whose resident size is read from the system while the work goes on.
 */

import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frontend } from '../../src/wire/postgres/index.ts';
import { connect, startNodeProcess, waitFor, withServers } from '../support/index.ts';
import type { NodeProcess } from '../support/index.ts';
import { ProtocolClient } from '../support/protocol-client.ts';

const { bind, copyData, copyDone, execute, parse, query, sync } = frontend;

const MB = 1 << 20;
const allowedBytes = 300 * MB;
const samplePauseMs = 20;
/** Fifteen seconds by itself; the machine may have other work. */
const deadlineMs = 150_000;

const options = { timeout: deadlineMs, skip: process.platform !== 'linux' };

describe('memory: the node stays small', options, () => {
  const servers = withServers(3, { settings: { max_wal_size: '4GB', autovacuum: false } });
  let node: NodeProcess;
  let idleBytes = 0;

  beforeAll(async () => {
    // A machine that is busy with other tests is not a member that hangs.
    node = await startNodeProcess(servers.servers, { config: { deadlines: { commitMs: 60_000 } } });
    const client = await connect(node.url);
    for (const table of ['many', 'more', 'big'])
      await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, v text)`);
    await client.end();
    idleBytes = await node.residentBytes();
  });

  afterAll(async () => {
    await node.stop();
  });

  async function expectSmall(work: () => Promise<void>): Promise<void> {
    const over = new AbortController();
    const sampling = peakUntil(over.signal, () => node.residentBytes());
    try {
      await work();
    } finally {
      over.abort();
    }
    expect((await sampling) - idleBytes).toBeLessThan(allowedBytes);
  }

  test('with a COPY of a million rows', async () => {
    const client = await ProtocolClient.connect(node.url, { deadlineMs });
    await expectSmall(async () => {
      client.send(query('COPY many FROM STDIN'));
      await client.until('G');
      for (let at = 0; at < 1_000_000; at += 10_000) {
        const rows = Array.from({ length: 10_000 }, (_, i) => `${at + i}\trow ${at + i}\n`);
        await write(client, copyData(Buffer.from(rows.join(''))));
      }
      client.send(copyDone);
      expect(await client.answer()).toEqual(['C COPY 1000000', 'Z I']);
    });
    client.destroy();
  });

  test('with rows that nobody expected to be so many and so large', async () => {
    const client = await connect(node.url);
    await expectSmall(async () => {
      await client.query(
        `WITH a AS (INSERT INTO more SELECT i, 'row ' || i FROM generate_series(1, 100000) i),
           b AS (INSERT INTO big SELECT 1, repeat('x', ${32 * MB})) SELECT 1`,
      );
    });
    await client.end();
  });

  test('with a statement of 200 MB', async () => {
    const client = await ProtocolClient.connect(node.url, { deadlineMs });
    await expectSmall(async () => {
      await sendLarge(
        client,
        'Q',
        Buffer.from("INSERT INTO big VALUES (2, '"),
        200 * MB,
        Buffer.from("')\0"),
      );
      expect(await client.answer()).toEqual(['C INSERT 0 1', 'Z I']);
    });
    client.destroy();
  });

  test('with a value of 200 MB', async () => {
    const client = await ProtocolClient.connect(node.url, { deadlineMs });
    await expectSmall(async () => {
      client.send(parse({ name: 'w', query: 'SELECT length($1::text)' }));
      const whole = bind({ statement: 'w', values: [Buffer.alloc(0)] });
      // Behind the value stands the count of result formats; in front of it, its length.
      const tail = whole.subarray(-2);
      const head = whole.subarray(5, -2);
      head.writeInt32BE(200 * MB, head.length - 4);
      await sendLarge(client, 'B', head, 200 * MB, tail);
      client.send(execute(), sync);
      expect(await client.answer()).toEqual(['1', '2', `D ${200 * MB}`, 'C SELECT 1', 'Z I']);
    });
    client.destroy();
  });

  test('with clients that read nothing of answers of gigabytes, and others are served meanwhile', async () => {
    const slow = await Promise.all(Array.from({ length: 4 }, () => ProtocolClient.connect(node.url)));
    const held = `SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%never read%'`;
    await expectSmall(async () => {
      for (const client of slow) {
        client.socket.pause();
        client.send(query(`SELECT repeat('never read', 100000) FROM generate_series(1, 1000)`));
      }
      await waitFor(
        async () => {
          const waiting = await Promise.all(servers.servers.map((server) => server.query(held)));
          return waiting.flat().length === slow.length;
        },
        { what: 'the members to be held up', timeoutMs: 30_000 },
      );
      const other = await connect(node.url);
      for (let i = 0; i < 20; i++) await other.query('SELECT count(*) FROM big');
      await other.end();
    });
    for (const client of slow) client.destroy();
  });

  test('and the members are equal after all that', async () => {
    const sums = await Promise.all(
      servers.servers.map((server) =>
        server.query(
          `SELECT (SELECT concat(count(*), ' ', sum(hashtext(m::text))) FROM many m),
                  (SELECT concat(count(*), ' ', sum(hashtext(m::text))) FROM more m),
                  (SELECT string_agg(concat(id, ' ', length(v), ' ', md5(v)), ',' ORDER BY id) FROM big)`,
        ),
      ),
    );
    expect(new Set(sums.map((rows) => JSON.stringify(rows))).size).toBe(1);
    expect(JSON.stringify(sums[0])).toMatch(
      new RegExp(`"1000000 -?\\d+","100000 -?\\d+","1 ${32 * MB} \\w+,2 ${200 * MB} \\w+"`),
    );
  });
});

/** The largest that was seen until the signal. */
async function peakUntil(signal: AbortSignal, measure: () => Promise<number>): Promise<number> {
  let peak = 0;
  while (!signal.aborted) {
    peak = Math.max(peak, await measure());
    await pause(samplePauseMs);
  }
  return peak;
}

/** No faster than it is taken. */
async function write(client: ProtocolClient, bytes: Buffer): Promise<void> {
  if (!client.socket.write(bytes)) await once(client.socket, 'drain');
}

/** A message of which `bytes` bytes in the middle are all the same. */
async function sendLarge(
  client: ProtocolClient,
  type: string,
  head: Buffer,
  bytes: number,
  tail: Buffer,
): Promise<void> {
  const header = Buffer.from(`${type}....`);
  header.writeInt32BE(4 + head.length + bytes + tail.length, 1);
  await write(client, Buffer.concat([header, head]));
  const piece = Buffer.alloc(MB, 'x');
  for (let left = bytes; left > 0; left -= MB) await write(client, piece);
  await write(client, tail);
}
