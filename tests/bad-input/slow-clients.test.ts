/**
 * Clients that ask and do not fetch the answers. What is kept for them has a bound; then they are asked for nothing more,
 * and their members wait for them as a server waits for its client. Nobody else waits.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { frontend } from '../../src/wire/postgres/index.ts';
import { connect, waitFor, withNode, withServers } from '../support/index.ts';
import { ProtocolClient } from '../support/protocol-client.ts';
import { expectNothingLeft, placeOf, whileOthersWork } from './harm.ts';

const { parse, query, sync } = frontend;

const servers = withServers(2);
const node = withNode(servers);
const place = placeOf(servers, node);

const large = 60_000;
const requests = 600;

/** What is asked again and again, with an answer of 60 kB. */
const questions = {
  'a member answers in one': [query(`SELECT repeat('x', ${large})`)],
  'a member answers in many rows': [query(`SELECT repeat('x', 100) FROM generate_series(1, ${large / 100})`)],
  'the node answers': [parse({ name: 'n'.repeat(large), query: 'SELECT 1' }), sync],
} as const;

/** Until a member can write no more of its answer. */
async function primaryWaits(statement: string): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '${statement}%'`;
  await waitFor(
    async () => {
      const found = await Promise.all(servers.servers.map((server) => server.query(waiting)));
      return found.flat().length === 1;
    },
    { what: 'the primary to wait', timeoutMs: 30_000 },
  );
}

describe('slow clients: a client that never reads', () => {
  let slow: ProtocolClient;

  beforeEach(async () => {
    slow = await ProtocolClient.connect(node.url);
    slow.socket.pause();
  });

  afterEach(async () => {
    slow.destroy();
    await expectNothingLeft(place());
  });

  test.each(Object.entries(questions))(
    'is asked for nothing more after a while: %s',
    async (_what, question) => {
      const other = await connect(node.url);
      await other.query('CREATE TABLE IF NOT EXISTS asked (n int); TRUNCATE asked');
      for (let i = 0; i < requests; i++) slow.send(query('INSERT INTO asked VALUES (1)'), ...question);

      const asked = async () => Number((await other.query('SELECT count(*) AS n FROM asked')).rows[0]?.n);
      let before = 0;
      await waitFor(
        async () => {
          const now = before;
          for (let i = 0; i < 100; i++) await other.query('SELECT 1');
          before = await asked();
          return before > 0 && before === now;
        },
        { what: 'the node to wait', timeoutMs: 20_000 },
      );
      expect(before).toBeLessThan(requests);

      // It has only waited.
      slow.socket.resume();
      for (let i = 0; i < 2 * requests; i++) await slow.until('Z');
      expect(await asked()).toBe(requests);
      await other.end();
    },
    60_000,
  );

  test('is not sent notifications without end', async () => {
    const total = 8_000;
    slow.socket.resume();
    await slow.query('LISTEN gossip');
    slow.socket.pause();
    await whileOthersWork(place(), async () => {
      const other = await connect(node.url);
      await other.query(
        `SELECT pg_notify('gossip', i || repeat('x', 7000)) FROM generate_series(1, ${total}) i`,
      );
      await primaryWaits('LISTEN');
      await other.end();
    });
    slow.socket.resume();
    for (let i = 1; i <= total; i++) {
      const { type, frame } = await slow.next();
      expect(type).toBe('A');
      expect(frame.includes(`${i}x`)).toBe(true);
    }
    expect(await slow.query('SELECT 1')).toEqual(['T ?column?', 'D 1', 'C SELECT 1', 'Z I']);
  }, 60_000);

  test('holds up no commit of others with what it does not read', async () => {
    const writer = await connect(node.url);
    await writer.query('CREATE TABLE held (v text)');
    await whileOthersWork(place(), async () => {
      slow.send(
        query(`INSERT INTO held SELECT repeat('x', 1000) FROM generate_series(1, 30000) RETURNING v`),
      );
      await primaryWaits('INSERT INTO held');
    });
    slow.destroy();
    await waitFor(async () => (await writer.query('SELECT FROM held')).rowCount === 0, {
      what: 'nothing of it',
    });
    await writer.end();
  });
});
