/** Numbers of own types are each server's own. Whatever a client is told of them, or says, means the primary's. */

import { afterEach, beforeAll, expect, test } from 'vitest';
import { frontend, readDataRow, readRowDescription } from '../../../src/wire/postgres/index.ts';
import { PostgresCatalog } from '../../../src/dialects/postgres/index.ts';
import { connect, waitFor, withNode, withServers } from '../../support/index.ts';
import { describe, errorOf, ProtocolClient } from '../../support/protocol-client.ts';
import type { Heard } from '../../support/protocol-client.ts';

const { bind, describe: ask, execute, parse, query, sync } = frontend;
const servers = withServers(3);
const node = withNode(servers, { config: { balancer: 'round-robin' } });
let mood = 0;

const open: ProtocolClient[] = [];
afterEach(() => {
  for (const client of open.splice(0)) client.destroy();
});

async function talk(): Promise<ProtocolClient> {
  const client = await ProtocolClient.connect(node.url, { deadlineMs: 20_000 });
  open.push(client);
  return client;
}

beforeAll(async () => {
  // Each replica has given out some numbers for itself.
  for (const index of [1, 2]) {
    const member = await connect(servers.server(index).url);
    for (let i = 0; i < 5 * index; i++) await member.query('BEGIN; CREATE TEMP TABLE x (a int); ROLLBACK');
  }
  const client = await connect(node.url);
  await client.query("CREATE TYPE mood AS ENUM ('sad', 'ok')");
  await client.query('CREATE TABLE p (id int, m mood, ms mood[])');
  await client.query("INSERT INTO p VALUES (1, 'ok', '{ok,sad}')");
  const { rows } = await client.query("SELECT oid::int FROM pg_type WHERE typname = 'mood'");
  mood = rows[0].oid;
});

/** Several, so that each member has its turn. */
async function everywhere(messages: readonly Buffer[]): Promise<Heard[][]> {
  const answers: Heard[][] = [];
  for (let i = 0; i < 6; i++) answers.push(await (await talk()).send(...messages, sync).until('Z'));
  return answers;
}

function rowsOf(heard: readonly Heard[]): (Buffer | null)[][] {
  expect(heard.map(describe).filter((said) => said.startsWith('E'))).toEqual([]);
  return heard.filter(({ type }) => type === 'D').map(({ frame }) => readDataRow(frame));
}

test('type numbers: the members have different ones', async () => {
  const numbers: unknown[] = [];
  for (const { url } of servers.servers) {
    const member = await connect(url);
    numbers.push((await member.query("SELECT oid::int FROM pg_type WHERE typname = 'mood'")).rows[0].oid);
  }
  expect(new Set(numbers).size).toBe(3);
});

test('type numbers: a parameter of a type by number', async () => {
  const messages = [
    parse({ query: 'SELECT id FROM p WHERE m = $1', parameterTypes: [mood] }),
    bind({ values: ['ok'] }),
    execute(),
  ];
  for (const heard of await everywhere(messages)) expect(rowsOf(heard)).toEqual([[Buffer.from('1')]]);
});

test('type numbers: a statement with a name, used again', async () => {
  for (let i = 0; i < 3; i++) {
    const client = await talk();
    client.send(parse({ name: 's', query: 'SELECT id FROM p WHERE m = $1', parameterTypes: [mood] }), sync);
    await client.until('Z');
    for (let again = 0; again < 3; again++) {
      client.send(bind({ statement: 's', values: ['ok'] }), execute(), sync);
      expect(rowsOf(await client.until('Z'))).toEqual([[Buffer.from('1')]]);
    }
  }
});

test('type numbers: an array in binary, of a type that was left open', async () => {
  const value = Buffer.concat([1, 0, mood, 1, 1, 2].map((number) => int32(number)));
  const messages = [
    parse({ query: 'SELECT id FROM p WHERE m = ANY ($1)' }),
    bind({ values: [Buffer.concat([value, Buffer.from('ok')])], formats: [1] }),
    execute(),
  ];
  for (const heard of await everywhere(messages)) expect(rowsOf(heard)).toEqual([[Buffer.from('1')]]);
});

test('type numbers: inside of records and arrays in binary', async () => {
  const asked = async (sql: string, described: readonly Buffer[]): Promise<void> => {
    const messages = [
      parse({ query: sql }),
      bind({ values: [], resultFormats: [1] }),
      ...described,
      execute(),
    ];
    for (const heard of await everywhere(messages)) {
      const [[value] = []] = rowsOf(heard);
      // The number of fields, or of dimensions and a flag, stands before it.
      expect(value?.readUInt32BE(sql.includes('ms') ? 8 : 4), sql).toBe(mood);
    }
  };
  for (const described of [[ask('portal')], []]) {
    await asked('SELECT row(m, id) FROM p', described);
    await asked('SELECT ms FROM p', described);
  }
});

test('type numbers: binary results of a statement that was described in a transaction', async () => {
  for (let i = 0; i < 4; i++) {
    const client = await talk();
    await client.query('BEGIN');
    client.send(parse({ name: 's', query: 'SELECT ms FROM p' }), ask('statement', 's'), sync);
    await client.until('Z');
    await client.query('COMMIT');
    for (let again = 0; again < 3; again++) {
      client.send(bind({ statement: 's', values: [], resultFormats: [1] }), execute(), sync);
      expect(rowsOf(await client.until('Z'))[0]?.[0]?.readUInt32BE(8)).toBe(mood);
    }
  }
});

test('type numbers: inside of a copy in binary', async () => {
  for (const heard of await everywhere([query('COPY (SELECT ms FROM p) TO STDOUT (FORMAT binary)')])) {
    const copied = Buffer.concat(
      heard.filter(({ type }) => type === 'd').map(({ frame }) => frame.subarray(5)),
    );
    expect(copied.includes(int32(mood))).toBe(true);
  }
});

test('type numbers: in a transaction that only reads', async () => {
  for (let i = 0; i < 4; i++) {
    const client = await talk();
    await client.query('BEGIN READ ONLY');
    expect(await client.query('SELECT id FROM p')).toContain('D 1');
    const [description] = (await client.send(query('SELECT m FROM p')).until('Z')).filter(
      ({ type }) => type === 'T',
    );
    expect(readRowDescription(description?.frame as Buffer)[0]?.typeOid).toBe(mood);
    expect(await client.query('SELECT id FROM p')).toContain('D 1');
    await client.query('COMMIT');
    await client.query('BEGIN READ ONLY');
    client.send(
      parse({ query: 'SELECT id FROM p WHERE m = $1', parameterTypes: [mood] }),
      bind({ values: ['ok'] }),
      execute(),
      sync,
    );
    expect(rowsOf(await client.until('Z'))).toEqual([[Buffer.from('1')]]);
    await client.query('COMMIT');
  }
});

test('type numbers: a transaction that cannot be moved is told, and the next begins at the primary', async () => {
  let told = 0;
  for (let i = 0; i < 4; i++) {
    const client = await talk();
    for (let again = 0; again < 2; again++) {
      await client.query('BEGIN READ ONLY');
      await client.query('SELECT clock_timestamp()');
      const heard = await client.query('SELECT m FROM p');
      if (heard.includes('E 40001')) told += 1;
      else expect(heard).toContain('D ok');
      if (again === 1) expect(heard).toContain('D ok');
      await client.query('ROLLBACK');
    }
  }
  expect(told).toBeGreaterThan(0);
});

test('type numbers: when the primary moves, who knows any has to ask again, and nobody else', async () => {
  const [told, said, knowsNone] = [await talk(), await talk(), await talk()];
  await told.query('SELECT m FROM p');
  said.send(parse({ name: 's', query: 'SELECT $1::int', parameterTypes: [mood] }), sync);
  await said.until('Z');
  await knowsNone.query('SELECT id FROM p');
  await node.node.switchPrimary('db2');
  try {
    for (const client of [told, said]) {
      client.send(query('UPDATE p SET id = id'));
      expect(errorOf(await client.until('E'))).toMatchObject({ code: '57P01' });
      await expect(client.next()).rejects.toThrow('closed');
    }
    expect(await knowsNone.query('UPDATE p SET id = id')).toContain('C UPDATE 1');
  } finally {
    await node.node.switchPrimary('db1');
  }
  await waitFor(async () => (await (await talk()).query('SELECT id FROM p')).includes('D 1'), {
    what: 'the node to answer',
  });
});

test('type numbers: those that mean the same on both need no new question', async () => {
  const catalog = new PostgresCatalog();
  const load = (id: string, ...types: [number, string][]): Promise<void> =>
    catalog.loadTables(id, {
      rows: () => Promise.resolve(types.map(([oid, name]) => ['type', String(oid), 'public', name])),
    } as never);
  await load('one', [20_000, 'mood'], [20_004, 'shape'], [20_008, 'only']);
  await load('other', [20_000, 'mood'], [20_004, 'mood2'], [20_008, 'only']);
  const same = (...numbers: number[]): boolean => catalog.sameTypes(new Set(numbers), 'one', 'other');
  expect([same(), same(20_000), same(20_000, 20_008)]).toEqual([true, true, true]);
  expect([same(20_004), same(20_000, 20_004), same(30_000)]).toEqual([false, false, false]);
});

function int32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
