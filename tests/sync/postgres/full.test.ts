import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PostgresDataSync } from '../../../src/dialects/postgres/index.ts';
import type { Difference, PostgresBinaries, PostgresServer } from '../../../src/testing/index.ts';
import { findPostgres, findPostgresTool } from '../../../src/testing/index.ts';
import { shopRoles, shopSchema } from '../../dialects/postgres/shop-schema.ts';
import { withServers } from '../../support/index.ts';
import { compared, isEqual } from './compared.ts';
import {
  differences,
  enrolledMember,
  freshMember,
  KeptRows,
  synchronise,
  watching,
} from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

const moreSchema = `
CREATE SCHEMA extra AUTHORIZATION writer;
CREATE TABLE extra.parents (id int PRIMARY KEY, name text) PARTITION BY HASH (id);
CREATE TABLE extra.parents_0 PARTITION OF extra.parents FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE extra.parents_1 PARTITION OF extra.parents FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON extra.parents (lower(name));
CREATE TABLE extra.kids (id int REFERENCES extra.parents DEFERRABLE INITIALLY DEFERRED, note text) WITH (fillfactor = 70);
INSERT INTO extra.parents SELECT i, 'parent ' || i FROM generate_series(1, 1000) i;
INSERT INTO extra.kids SELECT i, E'tab\\there\\nline \\\\.' FROM generate_series(1, 1000) i;
CREATE UNLOGGED TABLE extra.fleeting (a int); INSERT INTO extra.fleeting VALUES (1);
CREATE TABLE extra.hollow (); INSERT INTO extra.hollow SELECT FROM generate_series(1, 4);
CREATE TABLE extra.numbered (id int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 3), a int); INSERT INTO extra.numbered (a) SELECT 1 FROM generate_series(1, 5);
ALTER TABLE extra.numbered ADD COLUMN gone int; ALTER TABLE extra.numbered DROP COLUMN gone;
CREATE TABLE extra.kinds (a numeric, b float8, c bytea, d timestamptz, e jsonb, f text[], g regclass, h regtype[], i money, j interval, k int4range, l bit(3), m xml, n "char", o oid, p inet, q uuid, r shop.price, s shop.state, t shop.state[], u shop.address);
INSERT INTO extra.kinds VALUES ('NaN', '-0', '\\x00ff5c', 'infinity', '{"a": 1.10}', ARRAY['x', NULL, ''], 'extra.kids', ARRAY['shop.address'::regtype], '-1.50', '1 mon -2 days 3 us', '[1,5)', B'101', '<a>é</a>', 'x', 1247, '::1/64', gen_random_uuid(), 1.5, 'paid', ARRAY['new', 'sent']::shop.state[], ROW('a b', 'c')::shop.address); INSERT INTO extra.kinds DEFAULT VALUES;
CREATE TABLE extra.plain AS SELECT a, b, c, d, e, f, i, j, k, l, n, o, p, q, r, s FROM extra.kinds;
CREATE MATERIALIZED VIEW extra.first AS SELECT count(*) AS n FROM extra.kids;
CREATE MATERIALIZED VIEW extra.another AS SELECT n * 2 AS twice FROM extra.first;
CREATE MATERIALIZED VIEW extra.never AS SELECT 1 AS one WITH NO DATA;
CREATE VIEW extra.by_key AS SELECT p.id, p.name, count(*) FROM extra.parents p JOIN extra.kids k USING (id) GROUP BY p.id, p.name;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FUNCTION extra.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watching ON sql_drop EXECUTE FUNCTION extra.watch();
COMMENT ON COLUMN extra.kids.note IS 'a note'; COMMENT ON SCHEMA public IS 'ours';
GRANT CREATE ON SCHEMA public TO writer; REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER TABLE extra.kids OWNER TO reader;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO shop, "$user", public', current_database());
  EXECUTE format('ALTER DATABASE %I SET work_mem TO ''7MB''', current_database());
  EXECUTE format('ALTER ROLE reader IN DATABASE %I SET DateStyle TO ''German''', current_database());
  EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO reader WITH GRANT OPTION', current_database());
  EXECUTE format('COMMENT ON DATABASE %I IS ''the shop''', current_database()); END $$;
`;

async function shopOn(server: PostgresServer): Promise<FreshMember> {
  await server.query(
    `DO $$ BEGIN IF to_regrole('reader') IS NULL THEN ${shopRoles} END IF; END $$;
     ALTER ROLE reader LOGIN CONNECTION LIMIT 3 PASSWORD 'secret'; ALTER ROLE reader SET work_mem TO '9MB'; GRANT writer TO reader WITH ADMIN OPTION`,
  );
  return await enrolledMember(server, { sql: shopSchema + moreSchema });
}

const databaseFacts = `SELECT json_build_object('comment', shobj_description(oid, 'pg_database'), 'rights', datacl::text,
  'settings', (SELECT json_agg(concat(setrole::regrole, ' ', setconfig) ORDER BY 1) FROM pg_db_role_setting WHERE setdatabase = d.oid)) FROM pg_database d WHERE datname = current_database()`;

/** Versions name the keys that follow from a partitioned table's differently, and later ones have a right more. */
function isReal({ kind, object, found }: Difference): boolean {
  if (kind === 'constraint') return !/_fkey_?\d on /.test(object);
  return new Set(Object.values(found).map((text) => text?.replaceAll('Dxtm', 'Dxt'))).size > 1;
}

/** The system's servers are of the version of its pg_dump: a newer server it cannot read. */
const olderBinaries = systemPostgres();
const newerBinaries = findPostgres();
const password = 'pass word';

function systemPostgres(): PostgresBinaries | undefined {
  const pgDump = findPostgresTool('pg_dump');
  if (pgDump === undefined) return undefined;
  const major = Number(/\d+/.exec(execFileSync(pgDump, ['--version']).toString())?.[0]);
  return findPostgres({ prefer: 'system', major });
}

describe.skipIf(olderBinaries === undefined)('sync: full', () => {
  const binaries = olderBinaries ?? newerBinaries;
  const older = withServers(2, { binaries, password });
  const newer = withServers(2, { binaries: newerBinaries });
  const shop = (): Promise<FreshMember> => shopOn(older.server(0));

  for (const [what, targets] of [
    ['the same version', older],
    ['a newer version', newer],
  ] as const) {
    test(`makes an empty server of ${what} the source's equal`, async () => {
      const source = await shop();
      const target = await freshMember(targets.server(1));
      const keeper = new KeptRows();
      const control = watching();
      const changes = await synchronise(source, target, { strategy: 'full', keeper, control });
      expect(changes).toContainEqual({ table: 'shop.orders', missing: 200, extra: 0, samples: [] });
      expect(keeper.rows).toEqual([]);
      expect((await differences(source, target)).filter(isReal)).toEqual([]);
      expect(await target.rows(databaseFacts)).toEqual(await source.rows(databaseFacts));
      const role = `SELECT rolcanlogin, rolconnlimit, rolpassword, (SELECT setconfig FROM pg_db_role_setting WHERE setrole = a.oid AND setdatabase = 0),
        (SELECT admin_option FROM pg_auth_members WHERE member = a.oid) FROM pg_authid a WHERE rolname = 'reader'`;
      expect(await target.rows(role)).toEqual(await source.rows(role));
      expect(new Set(control.reports.map(({ phase }) => phase))).toEqual(
        new Set(['schema', 'copy', 'indexes']),
      );
      const last = control.reports.findLast(({ phase }) => phase === 'copy');
      expect(last?.tablesDone).toBe(last?.tablesTotal);
      expect(last?.rowsDone).toBe(last?.rowsTotal);

      expect(isEqual(await compared([source, target]))).toBe(true);
    });
  }

  test('keeps the rows that the target had of its own, and removes everything else it had', async () => {
    const source = await shop();
    const target = await freshMember(older.server(1), {
      sql: `CREATE TABLE public.mine (a int PRIMARY KEY, b text); INSERT INTO mine VALUES (1, E'a\\tb'), (2, NULL);
        CREATE SCHEMA shop; CREATE TABLE shop.orders (other int); INSERT INTO shop.orders VALUES (5); CREATE TYPE public.state AS ENUM ('a');
        CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER old ON sql_drop EXECUTE FUNCTION watch();
        CREATE PUBLICATION old FOR ALL TABLES; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem TO ''1MB''', current_database()); END $$`,
    });
    const keeper = new KeptRows();
    const changes = await synchronise(source, target, { strategy: 'full', keeper });
    expect(keeper.rows).toEqual([
      { table: 'public.mine', columns: ['a', 'b'], row: '1\ta\\tb' },
      { table: 'public.mine', columns: ['a', 'b'], row: '2\t\\N' },
      { table: 'shop.orders', columns: ['other'], row: '5' },
    ]);
    expect(keeper.flushes).toBeGreaterThan(0);
    expect(changes).toContainEqual({ table: 'public.mine', missing: 0, extra: 2, samples: [] });
    expect(changes).toContainEqual({ table: 'shop.orders', missing: 200, extra: 1, samples: [] });
    expect(await differences(source, target)).toEqual([]);
  });

  test('a dry run says how many rows would go and come, and changes nothing', async () => {
    const source = await shop();
    const target = await freshMember(older.server(1), {
      sql: 'CREATE TABLE mine (a int); INSERT INTO mine VALUES (1)',
    });
    const changes = await synchronise(source, target, { strategy: 'full', dryRun: true });
    expect(changes).toContainEqual({ table: 'public.mine', missing: 0, extra: 1, samples: [] });
    expect(changes).toContainEqual({ table: 'shop.orders', missing: 200, extra: 0, samples: [] });
    expect(await target.rows('SELECT * FROM mine')).toEqual([['1']]);
    expect((await target.member.inspect()).marks).toBeUndefined();
  });

  test('given up in the middle, it begins again, and does not keep its own half copy', async () => {
    const source = await shop();
    await source.write(`CREATE TABLE big AS SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i`);
    const target = await freshMember(older.server(1), {
      sql: 'CREATE TABLE mine (a int); INSERT INTO mine VALUES (1)',
    });
    const keeper = new KeptRows();
    const control = watching((paced) => {
      if (paced > 3 << 20) control.stop();
    });
    await expect(synchronise(source, target, { strategy: 'full', keeper, control })).rejects.toThrow(
      'stopped by the test',
    );
    expect((await target.member.inspect()).marks?.incomplete).toBe('a test');
    expect(
      await target.rows(
        `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lockstep sync' AND datname = current_database()`,
      ),
    ).toEqual([['0']]);
    await synchronise(source, target, { strategy: 'full', keeper });
    expect(keeper.rows).toEqual([{ table: 'public.mine', columns: ['a'], row: '1' }]);
    expect(await differences(source, target)).toEqual([]);
    expect(await target.rows(`SELECT to_regclass('lockstep.unfinished_copy')`)).toEqual([[null]]);
  });

  test('without a pg_dump for the source, says which package to install; rows alone are copied all the same', async () => {
    const schema = 'CREATE TABLE t (a int PRIMARY KEY, b text)';
    const source = await enrolledMember(newer.server(0), {
      sql: `${schema}; INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i`,
    });
    const sync = new PostgresDataSync({ pgDump: '/nowhere/pg_dump', environment: {} });
    const empty = await freshMember(newer.server(1));
    const major = newerBinaries.major;
    await expect(synchronise(source, empty, { strategy: 'full', sync })).rejects.toMatchObject({
      code: 'sync.no-pg-dump',
      message: expect.stringContaining(
        `of version ${major} or newer at /nowhere/pg_dump (option sync.pgDump)`,
      ),
      hint: expect.stringContaining(`postgresql-client-${major}`),
    });
    const prepared = await freshMember(newer.server(1), { sql: schema });
    await synchronise(source, prepared, { strategy: 'full', sync });
    expect(await differences(source, prepared)).toEqual([]);
  });

  test('what the target cannot have is said, and the member stays marked', async (context) => {
    const available = 'SELECT name FROM pg_available_extensions';
    const there = (await newer.server(0).query(available)).map(([name]) => name);
    const [missing] = (await older.server(0).query(`${available} ORDER BY name = 'adminpack' DESC`)).filter(
      ([name]) => !there.includes(name ?? ''),
    );
    if (missing === undefined) {
      context.skip('there is no extension that one server has and the other lacks');
      return;
    }
    const source = await enrolledMember(older.server(0), {
      sql: `CREATE EXTENSION "${missing[0]}" CASCADE; CREATE TABLE t (a int)`,
    });
    const target = await freshMember(newer.server(0));
    await expect(synchronise(source, target, { strategy: 'full' })).rejects.toMatchObject({
      code: 'sync.schema-not-made',
      message: expect.stringContaining(missing[0] ?? ''),
    });
    expect((await target.member.inspect()).marks?.incomplete).toBe('a test');
  });

  test('extensions and languages of the target that hang on each other make way', async (context) => {
    const server = older.server(0);
    const there = await server.query(`SELECT FROM pg_available_extensions WHERE name = 'earthdistance'`);
    if (there.length === 0) {
      context.skip('this server has no extension that needs another');
      return;
    }
    const source = await enrolledMember(server, {
      sql: 'CREATE EXTENSION earthdistance CASCADE; CREATE TABLE t (e earth)',
    });
    const target = await freshMember(server, {
      sql: 'CREATE EXTENSION earthdistance CASCADE; CREATE EXTENSION hstore; CREATE TABLE t (c cube)',
    });
    await synchronise(source, target, { strategy: 'full' });
    expect(await differences(source, target)).toEqual([]);
  });

  test('tables that an extension brings along, and that refer to each other, get the rows of the source', async (context) => {
    const server = newer.server(0);
    const [[kept] = []] = await server.query(`SELECT current_setting('extension_control_path', true)`);
    if (kept === undefined || kept === null) {
      context.skip('this version finds extensions nowhere but among its own files');
      return;
    }
    const directory = await mkdtemp(join(tmpdir(), 'lockstep-extension-'));
    onTestFinished(async () => {
      await server.query('ALTER SYSTEM RESET extension_control_path');
      await server.query('SELECT pg_reload_conf()');
      await rm(directory, { recursive: true });
    });
    const tables = `CREATE TABLE public.hen (id int PRIMARY KEY, egg int); CREATE TABLE public.egg (id int PRIMARY KEY, hen int REFERENCES public.hen);
      ALTER TABLE public.hen ADD FOREIGN KEY (egg) REFERENCES public.egg; INSERT INTO public.hen VALUES (1); INSERT INTO public.egg VALUES (1, 1); UPDATE public.hen SET egg = 1;`;
    await chmod(directory, 0o755);
    await mkdir(join(directory, 'extension'));
    await writeFile(join(directory, 'extension/lockstep_hens.control'), "default_version = '1'\n");
    await writeFile(join(directory, 'extension/lockstep_hens--1.sql'), tables);
    await server.query(`ALTER SYSTEM SET extension_control_path = '${directory}:$system'`);
    await server.query('SELECT pg_reload_conf()');
    // The source's server finds no extensions there: what the script would have left is left by hand.
    const source = await enrolledMember(older.server(0), {
      sql: `${tables} INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
          VALUES (99999, 'lockstep_hens', 10, 'public'::regnamespace, false, '1');
        ALTER EXTENSION lockstep_hens ADD TABLE public.hen; ALTER EXTENSION lockstep_hens ADD TABLE public.egg;
        INSERT INTO public.hen VALUES (2, 1); INSERT INTO public.egg VALUES (2, 2)`,
    });
    const target = await freshMember(server);
    await synchronise(source, target, { strategy: 'full' });
    for (const table of ['hen', 'egg'])
      expect(await target.rows(`SELECT * FROM ${table}`)).toEqual(
        await source.rows(`SELECT * FROM ${table}`),
      );
  });

  test('a password is on no command line', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lockstep-tools-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const words = join(directory, 'words');
    for (const tool of ['pg_dump', 'pg_restore']) {
      const script = `#!/bin/sh\necho "$0 $*" >> ${words}\nexec ${join(binaries.directory, tool)} "$@"\n`;
      await writeFile(join(directory, tool), script, { mode: 0o755 });
    }
    const sync = new PostgresDataSync({ pgDump: join(directory, 'pg_dump'), environment: process.env });
    await synchronise(await shop(), await freshMember(older.server(1)), { strategy: 'full', sync });
    const seen = await readFile(words, 'utf8');
    expect(seen).toContain('pg_dump --schema-only');
    expect(seen).not.toContain(password);
  });
});
