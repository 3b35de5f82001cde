/** What our parser rejects, the server is heard about: its text, its hint and its position. Nothing of it is carried out. */

import { beforeAll, expect, test } from 'vitest';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { connect, withNode, withServers } from '../../support/index.ts';
import { describe, errorOf, ProtocolClient } from '../../support/protocol-client.ts';

const servers = withServers(2);
const node = withNode(servers);

beforeAll(async () => {
  const admin = await connect(servers.server(0).url);
  await admin.query('CREATE DATABASE plain');
});

const wrong = [
  'SELEC 1',
  'SELECT 1; SELEC 2',
  "SELECT 'open",
  'SELECT "open',
  'SELECT /* open',
  "SELECT U&'wrong: \\061'",
  "SELECT U&'wrong: \\+0061'",
  "SELECT 'first' 'second'",
  'SELECT 1 LIMIT 1, 2',
  'CREATE TABLE x (',
  'CREATE TABLE x (a int) WITH OIDS',
  'CREATE PUBLICATION p FOR TABLE a, TABLES IN SCHEMA',
  'SELECT "ä", 1 FRM x',
  'GRANT nothing',
  'SELECT 123abc',
  'INSERT INTO x VALUES (1)) ',
];

test('syntax errors: in the words of the server', async () => {
  const urls = [node.url, servers.server(0).urlOf('plain')];
  const clients = await Promise.all(urls.map((url) => ProtocolClient.connect(url, { deadlineMs: 20_000 })));
  try {
    for (const before of [[], ['BEGIN'], ['SET standard_conforming_strings = off']]) {
      for (const sql of before) for (const client of clients) await client.query(sql);
      for (const sql of wrong) {
        for (const messages of [
          [frontend.query(sql)],
          [frontend.parse({ query: sql }), frontend.bind({ values: [] }), frontend.execute(), frontend.sync],
        ]) {
          const [heard, expected] = await Promise.all(
            clients.map(async (client) => await client.send(...messages).until('Z')),
          );
          expect(errorOf(heard ?? []), sql).toEqual(errorOf(expected ?? []));
          expect(heard?.map(describe), sql).toEqual(expected?.map(describe));
          for (const client of clients) if (before[0] === 'BEGIN') await client.query('ROLLBACK; BEGIN');
        }
      }
      for (const client of clients) await client.query('ROLLBACK');
    }
  } finally {
    for (const client of clients) client.destroy();
  }
});
