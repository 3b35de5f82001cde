import { beforeAll, describe, expect, test } from 'vitest';
import { compareMembers, describeDifferences } from '../../src/testing/index.ts';
import { connect, withNode, withServers } from '../support/index.ts';

describe('constructs: a database that is not in UTF-8', () => {
  const servers = withServers(2);
  beforeAll(async () => {
    const sql = `CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`;
    await Promise.all(servers.servers.map((server) => server.query(sql)));
  });
  const node = withNode(servers, {
    get members() {
      return servers.servers.map(({ port }, i) => ({
        id: `db${i + 1}`,
        url: `postgres://127.0.0.1:${port}/latin`,
      }));
    },
  });

  test('rows, names and schema statements beyond ASCII are the same on every member', async () => {
    const url = new URL(node.url);
    url.pathname = '/latin';
    const client = await connect(url.href);
    await client.query('CREATE SCHEMA "é"; SET search_path = "é"');
    await client.query(
      `CREATE TABLE "größe" ("schlüssel" text PRIMARY KEY, "maß" int DEFAULT 1, v text DEFAULT 'ß')`,
    );
    await client.query('CREATE TABLE "ohne schlüssel" (v text)');
    await client.query(`INSERT INTO "größe" VALUES ('ä'), ('ö'), ('ü')`);
    await client.query(`INSERT INTO "ohne schlüssel" VALUES ('ä'), ('ä'), ('ö')`);
    await client.query(`UPDATE "größe" SET v = v || 'é', "schlüssel" = 'Ä' WHERE "schlüssel" = $1`, ['ä']);
    await client.query(`DELETE FROM "ohne schlüssel" WHERE v = 'ö'`);
    await client.query('ALTER TABLE "größe" ADD "zufällig" float8 DEFAULT random()');
    await client.query('CREATE TABLE "kopie é" AS SELECT * FROM "größe"');
    await client.query('TRUNCATE "ohne schlüssel"');
    await client.query('CREATE SEQUENCE "zähler"');
    await client.query(`SELECT nextval('"zähler"')`);

    const { members } = await node.node.status();
    expect(members.map(({ active, reason }) => ({ active, reason }))).toEqual([
      { active: true, reason: null },
      { active: true, reason: null },
    ]);
    const ask = (index: number) => (sql: string) => servers.server(index).query(sql, undefined, 'latin');
    expect(describeDifferences(await compareMembers({ db1: ask(0), db2: ask(1) }))).toBe('');
    expect(await ask(1)('SELECT "schlüssel", v FROM "é"."größe" ORDER BY 1')).toEqual([
      ['Ä', 'ßé'],
      ['ö', 'ß'],
      ['ü', 'ß'],
    ]);
  });
});
