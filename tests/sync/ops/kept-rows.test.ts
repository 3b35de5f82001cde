import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptRowsFile } from '../../../src/node/kept-rows.ts';
import { psql, whyNoTool, withServers } from '../../support/index.ts';

const fixture = withServers(1);
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-kept-'));
});
afterEach(() => rm(directory, { recursive: true }));

const keeper = () =>
  new KeptRowsFile({
    directory: join(directory, 'kept'),
    memberId: 'db2',
    now: new Date('2026-01-02T03:04:05.678Z'),
  });

test('kept rows: there is no file until there is a row', async () => {
  const kept = keeper();
  await kept.flush();
  await kept.close();
  expect([kept.file, await readdir(directory)]).toEqual([undefined, []]);
});

test('kept rows: what was flushed is in the file, whatever becomes of the rest', async () => {
  const kept = keeper();
  await kept.keep('public.a', ['id'], Buffer.from('1'));
  await kept.flush();
  await kept.keep('public.a', ['id'], Buffer.from('2'));
  expect(kept.file).toBe(join(directory, 'kept', 'db2-2026-01-02T030405.sql'));
  const text = await readFile(kept.file ?? '', 'utf8');
  expect(text).toMatch(/COPY public\.a \(id\) FROM stdin;\n1\n$/);
  if (process.platform !== 'win32') expect((await stat(kept.file ?? '')).mode & 0o777).toBe(0o600);
  await kept.close();
});

test('kept rows: nothing that was kept before is written over', async () => {
  const first = keeper();
  await first.keep('public.a', ['id'], Buffer.from('1'));
  await first.close();
  const before = await readFile(first.file ?? '', 'utf8');
  const second = keeper();
  await second.keep('public.a', ['id'], Buffer.from('2'));
  await second.close();
  expect(second.file).toBe(join(directory, 'kept', 'db2-2026-01-02T030405-2.sql'));
  expect(await readFile(first.file ?? '', 'utf8')).toBe(before);
});

test('kept rows: a disk that cannot be written to is said, and not passed over', async () => {
  await writeFile(join(directory, 'kept'), 'a file where the directory should be');
  await expect(keeper().keep('public.a', ['id'], Buffer.from('1'))).rejects.toThrow('kept');
});

test('kept rows: psql puts them back as they were, also in an encoding of their own', async (context) => {
  const why = whyNoTool('psql');
  if (why !== undefined) context.skip(why);
  const server = fixture.server(0);
  await server.query(`create database kept encoding 'LATIN1' locale 'C' template template0`);
  const create = `create table "a ""b" (id int, "Wort, ü" text); create table c (t text)`;
  await server.query(create, undefined, 'kept');
  const kept = keeper();
  const tricky = `E'tab\\t newline\\n backslash\\\\ dot\\n\\\\.\\n ' || chr(228) || chr(1)`;
  await server.query(
    `insert into "a ""b" select 1, ${tricky}; insert into "a ""b" values (2, null); insert into c values ('')`,
    undefined,
    'kept',
  );
  const digest = `select md5(string_agg(x::text, '|' order by x::text)) from (select * from "a ""b" union all select 0, t from c) x`;
  const before = await server.query(digest, undefined, 'kept');
  // As COPY writes them: Latin-1, with its own escapes.
  const row = Buffer.from('1\ttab\\t newline\\n backslash\\\\ dot\\n\\\\.\\n \u00E4\u0001', 'latin1');
  await kept.keep('public."a ""b"', ['id', '"Wort, ü"'], row);
  await kept.keep('public."a ""b"', ['id', '"Wort, ü"'], Buffer.from('2\t\\N'));
  await kept.keep('public.c', ['t'], Buffer.from(''));
  await kept.close();
  await server.query('truncate "a ""b", c', undefined, 'kept');
  const { status, stderr } = await psql(server.urlOf('kept'), `\\i '${kept.file}'`);
  expect([status, stderr]).toEqual([0, '']);
  expect(await server.query(digest, undefined, 'kept')).toEqual(before);
});
