/** Code of an index on a replica: it writes nothing there, and where it fails the rows are stored without the index. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { PostgresServer } from '../../../src/testing/index.ts';
import type { Remark } from '../../../src/dialects/postgres/remarks.ts';
import { MemoryWriteSet } from '../../../src/dialects/postgres/write-set.ts';
import { withServers } from '../../support/index.ts';
import { enrolledMember, term } from '../../sync/postgres/fresh-members.ts';
import { otherPostgres } from './member-connection.ts';

const other = otherPostgres();
const versions = [
  { name: 'that tests use', options: {} },
  ...(other === undefined ? [] : [{ name: String(other.major), options: { binaries: other } }]),
];

const owner = 'lockstep_ines';

/** `here`: what the function of the index does on this member, in plpgsql, where the setting `ines.quiet` is not on. */
const setup = (here: string, columns = 'ines.f(id)', how = 'INDEX'): string => `
  DO $$ BEGIN CREATE ROLE ${owner}; EXCEPTION WHEN duplicate_object THEN END $$; CREATE SCHEMA ines AUTHORIZATION ${owner}; SET ROLE ${owner};
  CREATE TABLE ines.trace (i int); CREATE SEQUENCE ines.drawn; CREATE TABLE ines.t (id int PRIMARY KEY, v text);
  CREATE FUNCTION ines.attempt(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; EXCEPTION WHEN OTHERS THEN END $$;
  CREATE FUNCTION ines.here(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN ${here} RETURN i; END $$;
  CREATE FUNCTION ines.f(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN IF coalesce(current_setting('ines.quiet', true), '') = '' THEN RETURN ines.here(i); END IF; RETURN i; END $$;
  CREATE ${how} t_code ON ines.t (${columns}); RESET ROLE; SET ines.quiet = 'on'; INSERT INTO ines.t VALUES (1, 'there');`;

const table = '4,1:inest';

async function replica(server: PostgresServer, sql: string) {
  const remarks: Remark[] = [];
  const fresh = await enrolledMember(server, {
    sql,
    remark: (remark) => void (remark.type === 'index-left-out' && remarks.push(remark)),
  });
  const apply = await fresh.member.openApply(term);
  onTestFinished(() => apply.close());
  let csn = 100;
  return {
    ...fresh,
    remarks,
    send: async (...pieces: readonly string[]): Promise<void> => {
      csn += 1;
      await apply.apply([
        { csn, slot: csn % 8, term, writeSet: new MemoryWriteSet([Buffer.from(pieces.join(''))]) },
      ]);
    },
    all: () => fresh.rows('SELECT id, v FROM ines.t ORDER BY id'),
    index: async () =>
      (
        await fresh.rows(
          `SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'ines.t_code'::regclass`,
        )
      )[0],
    trace: async () =>
      await fresh.rows('SELECT (SELECT count(*) FROM ines.trace), (SELECT is_called FROM ines.drawn)'),
  };
}

const insert = (id: number, v: string): string => `INSERT${table}(${id},${v})`;
const update = (id: number, from: string, to: string): string => `UPDATE${table}(${id},${from})(${id},${to})`;
const nothing = [['0', 'f']];

describe.each(versions)('code of an index on a replica: PostgreSQL $name', ({ options }) => {
  const servers = withServers(1, options);

  test.each([
    ['an INSERT', 'INSERT INTO ines.trace VALUES (1)'],
    ['an INSERT into the table itself', `INSERT INTO ines.t VALUES (i + 1000, 'planted')`],
    ['a sequence', `PERFORM nextval('ines.drawn')`],
    ['a table', 'CREATE TABLE ines.made (i int)'],
    ['TRUNCATE', 'TRUNCATE ines.trace'],
    ['RESET, then an INSERT', 'RESET transaction_read_only; INSERT INTO ines.trace VALUES (1)'],
    [
      'RESET, an INSERT into the table itself, and back',
      `RESET transaction_read_only; INSERT INTO ines.t VALUES (i + 1000, 'planted'); SET transaction_read_only = on`,
    ],
    [
      'SET TO DEFAULT, then an INSERT',
      `SET LOCAL transaction_read_only TO DEFAULT; INSERT INTO ines.trace VALUES (1)`,
    ],
    [
      'RESET, then a function',
      'RESET transaction_read_only; CREATE FUNCTION ines.made() RETURNS int LANGUAGE sql AS $q$ SELECT 1 $q$',
    ],
  ])('%s: nothing is written by it, and the rows are there without the index', async (_, code) => {
    const { remarks, send, all, index, trace, rows } = await replica(servers.server(0), setup(`${code};`));
    await send(insert(2, 'b'), insert(3, 'c'), update(1, 'there', 'a'));
    expect(await all()).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ]);
    expect(await trace()).toEqual(nothing);
    expect(await rows(`SELECT to_regclass('ines.made'), to_regproc('ines.made')`)).toEqual([[null, null]]);
    expect(await index()).toEqual(['f', 'f']);
    expect(remarks).toMatchObject([
      { type: 'index-left-out', index: 'ines.t_code', table: 'ines.t', unique: false },
    ]);
    await send(`DELETE${table}(2,b)`, insert(4, 'd'));
    expect((await all()).map(([id]) => id)).toEqual(['1', '3', '4']);
    expect(remarks).toHaveLength(1);
  });

  test.each([
    'SET transaction_read_only = off; INSERT INTO ines.trace VALUES (1)',
    'SET TRANSACTION READ WRITE; INSERT INTO ines.trace VALUES (1)',
    'RESET ALL; INSERT INTO ines.trace VALUES (1)',
    'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; INSERT INTO ines.trace VALUES (1)',
  ])('what it swallows leaves the index in place: %s', async (code) => {
    const { remarks, send, index, trace } = await replica(
      servers.server(0),
      setup(`PERFORM ines.attempt('${code}');`),
    );
    await send(insert(2, 'b'), update(1, 'there', 'a'));
    expect(await trace()).toEqual(nothing);
    expect(await index()).toEqual(['t', 't']);
    expect(remarks).toEqual([]);
  });

  test.each([
    'P0001',
    '57014',
    'P0004',
    '40P01',
    '53100',
    '57P01',
    'LS001',
    'LS004',
    '23505',
    'XX001',
    '25006',
  ])('it fails with %s: the rows are there, and an index that can be computed stays', async (state) => {
    const { remarks, send, all, index, rows } = await replica(
      servers.server(0),
      `${setup(`RAISE EXCEPTION 'not here' USING ERRCODE = '${state}';`, 'ines.f(id)', 'UNIQUE INDEX')}
         CREATE INDEX t_upper ON ines.t (upper(v)) WHERE length(v) > 0`,
    );
    await send(insert(2, 'b'), update(1, 'there', 'a'));
    expect((await all()).map(([id]) => id)).toEqual(['1', '2']);
    expect(await index()).toEqual(['f', 'f']);
    expect(await rows(`SELECT indisvalid FROM pg_index WHERE indexrelid = 'ines.t_upper'::regclass`)).toEqual(
      [['t']],
    );
    expect(remarks).toEqual([
      {
        type: 'index-left-out',
        member: expect.any(String),
        index: 'ines.t_code',
        table: 'ines.t',
        unique: true,
        reason: 'not here',
      },
    ]);
  });

  test('it computes the same for different rows here: unique only on the primary', async () => {
    const { remarks, send, all } = await replica(
      servers.server(0),
      setup('RETURN 7;', 'ines.f(id)', 'UNIQUE INDEX'),
    );
    await send(insert(2, 'b'), insert(3, 'c'));
    expect((await all()).map(([id]) => id)).toEqual(['1', '2', '3']);
    expect(remarks).toMatchObject([{ unique: true }]);
  });

  test('REINDEX brings it back', async () => {
    const { send, rows, write, index } = await replica(
      servers.server(0),
      setup(`IF to_regclass('ines.mended') IS NULL THEN RAISE EXCEPTION 'not here'; END IF;`),
    );
    await send(insert(2, 'b'));
    expect(await index()).toEqual(['f', 'f']);
    await write('CREATE TABLE ines.mended ()');
    await write('REINDEX INDEX ines.t_code');
    await send(insert(3, 'c'));
    expect(await index()).toEqual(['t', 't']);
    expect(await rows('SET enable_seqscan = off; SELECT id FROM ines.t WHERE ines.f(id) = 3')).toEqual([
      ['3'],
    ]);
  });

  test('what fails for another reason is refused as before', async () => {
    const { remarks, send, index } = await replica(servers.server(0), setup(''));
    await expect(send(insert(1, 'again'))).rejects.toMatchObject({ sqlState: '23505' });
    await expect(send(update(9, 'gone', 'there'))).rejects.toMatchObject({ sqlState: 'LS004' });
    await send(insert(2, 'b'));
    expect(await index()).toEqual(['t', 't']);
    expect(remarks).toEqual([]);
  });

  test('what a superuser’s index takes away of prepared statements is prepared again', async () => {
    const own = setup('DEALLOCATE ALL;')
      .replaceAll(`AUTHORIZATION ${owner}`, '')
      .replace(`SET ROLE ${owner}`, 'SELECT 1');
    const { remarks, send, all, index } = await replica(servers.server(0), own);
    for (const id of [2, 4, 6]) {
      await send(
        insert(id, 'b'),
        `DELETE${table}(${id - 1},${id === 2 ? 'there' : 'c'})`,
        insert(id + 1, 'c'),
      );
    }
    expect((await all()).map(([id]) => id)).toEqual(['2', '4', '6', '7']);
    expect(await index()).toEqual(['t', 't']);
    expect(remarks).toEqual([]);
  });

  test('rows above four megabytes, in every manner', { timeout: 240_000 }, async () => {
    const { send, all, rows, index } = await replica(
      servers.server(0),
      `${setup('')} ALTER TABLE ines.t ADD g int GENERATED ALWAYS AS (length(v)) STORED, ADD CHECK (v <> current_user);`,
    );
    const long = (letter: string): string => letter.repeat(5 << 20);
    const image = (id: number, letter: string): string => `(${id},${long(letter)},${5 << 20})`;
    await send(`INSERT${table}${image(2, 'b')}`);
    await send(`UPDATE${table}${image(2, 'b')}${image(2, 'c')}`, `INSERT${table}${image(3, 'd')}`);
    // Of an order that cannot be seen: what goes comes again.
    await send(
      `INSERT${table}${image(4, 'e')}`,
      `DELETE${table}${image(3, 'd')}`,
      `INSERT${table}${image(3, 'f')}`,
      `UPDATE${table}${image(4, 'e')}${image(4, 'g')}`,
    );
    expect((await all()).map(([id, v]) => [id, v?.length, v?.[0]])).toEqual([
      ['1', 5, 't'],
      ['2', 5 << 20, 'c'],
      ['3', 5 << 20, 'f'],
      ['4', 5 << 20, 'g'],
    ]);
    expect(await rows('SELECT DISTINCT g FROM ines.t ORDER BY g')).toEqual([['5'], [String(5 << 20)]]);
    expect(await index()).toEqual(['t', 't']);
  });
});
