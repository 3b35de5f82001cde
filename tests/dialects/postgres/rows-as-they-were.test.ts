/** A replica stores the row that the primary stored, whatever its own definitions would make of it. */

import { describe, expect, onTestFinished, test } from 'vitest';
import type { PostgresServer } from '../../../src/testing/index.ts';
import { MemoryWriteSet } from '../../../src/dialects/postgres/write-set.ts';
import { withServers } from '../../support/index.ts';
import { enrolledMember, freshMember, term } from '../../sync/postgres/fresh-members.ts';
import type { FreshMember } from '../../sync/postgres/fresh-members.ts';
import { otherPostgres } from './member-connection.ts';

const other = otherPostgres();
const versions = [
  { name: 'that tests use', options: {} },
  ...(other === undefined ? [] : [{ name: String(other.major), options: { binaries: other } }]),
];

const named = (table: string): string => {
  const [schema = '', name = ''] = table.split('.');
  return `${schema.length},${name.length}:${schema}${name}`;
};

/** A plain database, where rows are made, and a member, to which they are applied. */
async function pair(server: PostgresServer, setup: string) {
  const primary = await freshMember(server, { sql: setup });
  const replica = await enrolledMember(server, { sql: setup });
  const apply = await replica.member.openApply(term);
  onTestFinished(() => apply.close());
  let csn = 100;
  const images = async (table: string, order = 'concat(t.*)'): Promise<readonly string[]> =>
    (await primary.rows(`SELECT concat(t.*) FROM ONLY ${table} t ORDER BY ${order}`)).map(
      ([row]) => row ?? '',
    );
  const send = async (...pieces: readonly string[]): Promise<void> => {
    csn += 1;
    const text = Buffer.from(pieces.join(''));
    const parts = [];
    for (let at = 0; at < text.length; at += 1 << 20) parts.push(text.subarray(at, at + (1 << 20)));
    await apply.apply([{ csn, slot: csn % 8, term, writeSet: new MemoryWriteSet(parts) }]);
  };
  return {
    primary,
    replica,
    images,
    send,
    insert: async (table: string) => await send('B', named(table), ...(await images(table)), ';'),
    /** What a statement makes of rows, told apart by their column `id`. */
    change: async (table: string, statement: string) => {
      const before = await rowsById(primary, table);
      await primary.write(statement);
      const after = await rowsById(primary, table);
      const pieces: string[] = [];
      for (const [id, old] of before) {
        const now = after.get(id);
        if (now === undefined) pieces.push('DELETE', named(table), old);
        else if (now !== old) pieces.push('UPDATE', named(table), old, now);
      }
      for (const [id, now] of after) if (!before.has(id)) pieces.push('INSERT', named(table), now);
      await send(...pieces);
    },
    expectEqual: async (table: string) => {
      const sql = `SELECT t.tableoid::regclass::text, concat(t.*) FROM ${table} t ORDER BY 1, 2`;
      const rows = await primary.rows(sql);
      expect(rows).not.toEqual([]);
      expect(await replica.rows(sql)).toEqual(rows);
      expect(await replica.rows(definitions)).toEqual(await primary.rows(definitions));
    },
  };
}

async function rowsById(member: FreshMember, table: string): Promise<Map<string, string>> {
  const rows = await member.rows(`SELECT t.id, concat(t.*) FROM ONLY ${table} t ORDER BY t.id`);
  return new Map(rows.map(([id, row]) => [id ?? '', row ?? '']));
}

/** All that is set aside. */
const definitions = `
  SELECT concat(c.oid::regclass, ' ', c.relchecks, c.relispartition, c.relforcerowsecurity, c.relacl, c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname ~ '^(public|app)$'
  UNION ALL SELECT concat(k.conrelid::regclass, ' ', k.contypid::regtype, k.conname, k.contype, k.convalidated) FROM pg_constraint k WHERE k.connamespace::regnamespace::text ~ '^(public|app)$'
  UNION ALL SELECT concat(a.attrelid::regclass, a.attname, a.attgenerated) FROM pg_attribute a WHERE a.attgenerated <> ''
  UNION ALL SELECT concat(castsource::regtype, casttarget::regtype) FROM pg_cast
  UNION ALL SELECT concat(nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^(pg_|lockstep)'
  ORDER BY 1`;

describe.each(versions)('rows as they were: PostgreSQL $name', ({ options }) => {
  const servers = withServers(1, options);

  test('a CHECK, a domain and a generated column by functions that rely on the search path', async () => {
    const { primary, insert, change, expectEqual } = await pair(
      servers.server(0),
      `CREATE SCHEMA app; SET search_path = app, public;
       CREATE FUNCTION is_blank(t text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT t IS NULL OR btrim(t) = '' $$;
       CREATE FUNCTION valid_name(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN NOT is_blank(t); END $$;
       CREATE FUNCTION shout(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN upper(t) || is_blank(t); END $$;
       CREATE DOMAIN named AS text CHECK (valid_name(value)); CREATE DOMAIN twice AS named; CREATE TYPE pair AS (a named, n int); CREATE TYPE span AS RANGE (subtype = named);
       CREATE TABLE person (id int PRIMARY KEY, name text CHECK (valid_name(name)), d named, ds twice[], p pair, ps pair[], r span,
         loud text GENERATED ALWAYS AS (shout(name)) STORED, num int CHECK (num > 0))`,
    );
    await primary.write(
      `SET search_path = app; INSERT INTO person (id, name, d, ds, p, ps, r, num) VALUES (1, 'ann', 'x', '{y,z}', '(w,1)', '{"(v,2)"}', '[a,b)', 1), (2, 'bob', 'x', NULL, NULL, NULL, NULL, 2), (3, 'cid', 'x', NULL, NULL, NULL, NULL, 3)`,
    );
    await insert('app.person');
    await change(
      'app.person',
      `SET search_path = app; UPDATE person SET name = 'carl', num = 3 WHERE id = 1; DELETE FROM person WHERE id = 2; INSERT INTO person (id, name, d) VALUES (4, 'dora', 'x')`,
    );
    await expectEqual('app.person');
  });

  test('generated columns under settings that change how a value is written', async () => {
    const { primary, insert, change, send, images, expectEqual } = await pair(
      servers.server(0),
      `CREATE FUNCTION day_of(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char($1, 'YYYY-MM-DD') $$;
       CREATE TABLE written (id int, f float8, s text GENERATED ALWAYS AS (f::text) STORED, b bytea, e text GENERATED ALWAYS AS (b::text) STORED,
         at timestamptz, day text GENERATED ALWAYS AS (day_of(at)) STORED, p point, ps text GENERATED ALWAYS AS (p::text) STORED);
       CREATE TABLE keyed (LIKE written INCLUDING ALL, PRIMARY KEY (id))`,
    );
    const settings = `SET extra_float_digits = 0; SET bytea_output = escape; SET TimeZone = 'Asia/Tokyo'`;
    const make = (from: number, to: number) =>
      `SELECT i, 1.0 / i, decode(repeat('00ff', 60), 'hex'), '2026-03-01 20:00+00'::timestamptz, point(1.0 / 3, 1) FROM generate_series(${from}, ${to}) i`;
    for (const table of ['written', 'keyed']) {
      await primary.write(`${settings}; INSERT INTO ${table} (id, f, b, at, p) ${make(1, 50)}`);
      await insert(`public.${table}`);
      await change(
        `public.${table}`,
        `${settings}; UPDATE ${table} SET f = 2.0 / 3 WHERE id = 7; DELETE FROM ${table} WHERE id = 9`,
      );
      await expectEqual(table);
      // Above four megabytes: in parts, and by what remains.
      const before = await images(`public.${table}`);
      await primary.write(
        `${settings}; DELETE FROM ${table}; INSERT INTO ${table} (id, f, b, at, p) ${make(1000, 6500)}; INSERT INTO ${table} (id, f, b) VALUES (0, 1, decode(repeat('00ff', 1000), 'hex'))`,
      );
      const after = await images(`public.${table}`);
      await send(
        ...before.flatMap((row) => ['DELETE', named(`public.${table}`), row]),
        'B',
        named(`public.${table}`),
        ...after,
        ';',
      );
      await expectEqual(table);
    }
  });

  test('a partition by a function keeps its rows, and children have their own CHECKs', async () => {
    const { primary, insert, change, expectEqual } = await pair(
      servers.server(0),
      `CREATE FUNCTION day_name(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char($1, 'DD') $$;
       CREATE TABLE visit (id int, at timestamptz, note text CHECK (note <> current_user)) PARTITION BY LIST (day_name(at));
       CREATE TABLE visit_1 PARTITION OF visit FOR VALUES IN ('01'); CREATE TABLE visit_x (at timestamptz, note text CONSTRAINT visit_note_check CHECK (note <> current_user), id int);
       ALTER TABLE visit ATTACH PARTITION visit_x DEFAULT; CREATE TABLE above (id int CHECK (id::text <> current_user)); CREATE TABLE below (b int) INHERITS (above)`,
    );
    await primary.write(
      `SET TimeZone = 'Asia/Tokyo'; INSERT INTO visit SELECT i, '2026-03-01 00:00+00'::timestamptz + i * interval '5 h', 'n' FROM generate_series(0, 12) i; INSERT INTO below VALUES (1, 2)`,
    );
    await insert('public.visit_1');
    await insert('public.visit_x');
    await insert('public.below');
    await change(
      'public.visit_1',
      `SET TimeZone = 'Asia/Tokyo'; UPDATE visit_1 SET note = 'm', at = at + interval '1 h' WHERE id = 1; DELETE FROM visit_1 WHERE id = 0`,
    );
    await change('public.below', 'UPDATE above SET id = 5');
    await expectEqual('visit');
    await expectEqual('above');
  });

  test('an index by a function of the owner is computed under the search path of the writer', async () => {
    const { primary, send, images, replica, expectEqual } = await pair(
      servers.server(0),
      `DO $$ BEGIN CREATE ROLE lockstep_joe; EXCEPTION WHEN duplicate_object THEN END $$; CREATE SCHEMA app; SET search_path = app;
       CREATE FUNCTION helper(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
       CREATE FUNCTION by_path(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN helper($1); END $$;
       CREATE TABLE mine (id int PRIMARY KEY, name text); CREATE UNIQUE INDEX ON mine (by_path(name)); CREATE TABLE theirs (LIKE mine INCLUDING ALL);
       ALTER SCHEMA app OWNER TO lockstep_joe; ALTER TABLE mine OWNER TO lockstep_joe; REVOKE ALL ON mine FROM lockstep_joe; ALTER TABLE mine FORCE ROW LEVEL SECURITY; ALTER TABLE mine ENABLE ROW LEVEL SECURITY`,
    );
    const surroundings = JSON.stringify({
      search_path: 'app',
      TimeZone: 'Asia/Tokyo',
      'no_such.thing': 'x',
      work_mem: 'nonsense',
    });
    for (const table of ['app.mine', 'app.theirs']) {
      await primary.write(`SET search_path = app; INSERT INTO ${table} VALUES (1, 'a'), (2, 'b')`);
      await send(`C${surroundings.length}:${surroundings}`, 'B', named(table), ...(await images(table)), ';');
      await expectEqual(table);
      expect(
        await replica.rows(
          `SET search_path = app; SET enable_seqscan = off; SELECT id FROM ${table} WHERE by_path(name) = 'B'`,
        ),
      ).toEqual([['2']]);
    }
  });

  test('code of an owner gains nothing: not by definitions, not by an index, not by a schema statement', async () => {
    const hostile = (say: string) =>
      `${[
        `SELECT mal.note(''code ran'')`,
        'SET ROLE none',
        'RESET ROLE',
        'SET SESSION AUTHORIZATION DEFAULT',
        'ALTER ROLE lockstep_mal SUPERUSER',
        `DECLARE c CURSOR WITH HOLD FOR SELECT mal.note(''held'')`,
        `PREPARE lockstep_marked AS SELECT mal.note(''planted'')`,
        'DEALLOCATE ALL',
        'CREATE TEMPORARY TABLE pg_class (i int)',
        'INSERT INTO mal.trap VALUES (1)',
        'SET search_path = mal',
        'SELECT pg_advisory_lock(5)',
        'DELETE FROM lockstep.box',
        'GRANT ALL ON lockstep.box TO PUBLIC',
        `SELECT lockstep.put_back(''{}'')`,
      ]
        .map((one) => `PERFORM mal.attempt('${one}');`)
        .join(' ')} RETURN ${say};`;
    const { primary, replica, send, insert, expectEqual } = await pair(
      servers.server(0),
      `DO $$ BEGIN CREATE ROLE lockstep_mal; EXCEPTION WHEN duplicate_object THEN END $$; CREATE SCHEMA mal AUTHORIZATION lockstep_mal; SET ROLE lockstep_mal; SET check_function_bodies = off;
       CREATE TABLE mal.trace (how text, who name); CREATE TABLE mal.trap (i int);
       CREATE FUNCTION mal.note(how text) RETURNS void LANGUAGE sql AS $$ INSERT INTO mal.trace VALUES (how, current_user) $$;
       CREATE FUNCTION mal.attempt(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; PERFORM mal.note('done: ' || what); EXCEPTION WHEN OTHERS THEN END $$;
       CREATE FUNCTION mal.sprung() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM mal.note('deferred'); RETURN NULL; END $$;
       CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mal.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mal.sprung(); ALTER TABLE mal.trap ENABLE ALWAYS TRIGGER late;
       CREATE FUNCTION mal.all_of_it() RETURNS int LANGUAGE plpgsql AS $$ BEGIN ${hostile('1')} END $$;
       CREATE FUNCTION mal.f(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF coalesce(current_setting('mal.quiet', true), '') = '' THEN PERFORM mal.all_of_it(); END IF; RETURN i; END $$;
       CREATE DOMAIN mal.num AS int CHECK (mal.f(value) = value);
       CREATE TABLE mal.checked (id int CHECK (mal.f(id) = id), d mal.num, g int GENERATED ALWAYS AS (mal.f(id)) STORED); CREATE TABLE mal.listed (id int) PARTITION BY LIST (mal.f(id)); CREATE TABLE mal.one PARTITION OF mal.listed FOR VALUES IN (1);
       CREATE TABLE mal.cast_from (id int); CREATE FUNCTION mal.evil(text) RETURNS mal.cast_from LANGUAGE plpgsql AS $$ BEGIN PERFORM mal.all_of_it(); RETURN NULL; END $$; CREATE CAST (text AS mal.cast_from) WITH FUNCTION mal.evil(text);
       CREATE FUNCTION mal.shown(mal.cast_from) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mal.all_of_it(); RETURN NULL; END $$; CREATE CAST (mal.cast_from AS text) WITH FUNCTION mal.shown(mal.cast_from);
       CREATE TABLE mal.indexed (id int); CREATE INDEX ON mal.indexed (mal.f(id)) WHERE mal.f(id) > 0; CREATE TABLE mal.retyped (id int); RESET ROLE; INSERT INTO mal.retyped VALUES (1), (2)`,
    );
    const quiet = `SET mal.quiet = 'on'`;
    const traces = async () => await replica.rows('SELECT DISTINCT how, who FROM mal.trace ORDER BY how');
    await primary.write(
      `${quiet}; INSERT INTO mal.checked VALUES (1, 2); INSERT INTO mal.listed VALUES (1); INSERT INTO mal.cast_from VALUES (1); INSERT INTO mal.indexed VALUES (1)`,
    );
    for (const table of ['mal.checked', 'mal.one', 'mal.cast_from']) await insert(table);
    await send('DELETE', named('mal.cast_from'), '(1)', 'INSERT', named('mal.cast_from'), '(1)');
    for (const table of ['mal.checked', 'mal.listed', 'mal.cast_from']) {
      expect(await replica.rows(`SELECT concat(t.*) FROM ${table} t`)).toEqual(
        await primary.rows(`SELECT concat(t.*) FROM ${table} t`),
      );
    }
    expect(await traces()).toEqual([]);

    const allowed = [
      ['code ran', 'lockstep_mal'],
      ['done: DELETE FROM lockstep.box', 'lockstep_mal'],
      ['done: GRANT ALL ON lockstep.box TO PUBLIC', 'lockstep_mal'],
      [`done: SELECT mal.note('code ran')`, 'lockstep_mal'],
      ['done: SELECT pg_advisory_lock(5)', 'lockstep_mal'],
      ['done: SET search_path = mal', 'lockstep_mal'],
    ];
    // While an index is computed, nothing can be written.
    await insert('mal.indexed');
    expect(await traces()).toEqual([]);
    // Again: what was done to the box is found out.
    await send('DELETE', named('mal.indexed'), '(1)', 'INSERT', named('mal.indexed'), '(1)');
    expect(await traces()).toEqual([]);
    expect(await replica.rows('SELECT id FROM mal.indexed')).toEqual([['1']]);

    const statement = 'ALTER TABLE retyped ALTER id TYPE bigint USING f(id)';
    await expect(send(`S12,3,2,${statement.length}:lockstep_malmal{}${statement}`)).rejects.toThrow(
      'writes rows of mal.trace',
    );
    // The same without a look at what has been written.
    await replica.rows(
      `SELECT lockstep.in_box('lockstep_mal'::regrole::oid, '{}', '${statement}', NULL, NULL, NULL, '{"search_path": "mal"}')`,
    );
    expect(await traces()).toEqual(allowed);
    expect(
      await replica.rows(
        `SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'mal.retyped'::regclass AND attname = 'id'`,
      ),
    ).toEqual([['bigint']]);
    expect(await replica.rows(`SELECT rolsuper FROM pg_roles WHERE rolname = 'lockstep_mal'`)).toEqual([
      ['f'],
    ]);
    expect(
      await replica.rows(
        `SELECT pg_get_userbyid(relowner) = current_user, EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner) FROM pg_class WHERE oid = 'lockstep.box'::regclass`,
      ),
    ).toEqual([['t', 'f']]);
    expect(await replica.rows(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 5`)).toEqual([]);
    await expectEqual('mal.indexed');
  });

  test('a partition that is found by numbers of each server is written through its root', async () => {
    const { primary, replica, insert, change } = await pair(
      servers.server(0),
      `CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'yellow', 'black', 'white'); CREATE TABLE item (id int, c color NOT NULL, n int) PARTITION BY HASH (c);
       CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE item_1 (n int, gone int, id int, c color NOT NULL);
       ALTER TABLE item_1 DROP gone; ALTER TABLE item ATTACH PARTITION item_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
    );
    await primary.write(
      `INSERT INTO item SELECT i, (enum_range(NULL::color))[1 + i % 6], 0 FROM generate_series(1, 60) i`,
    );
    const all = 'SELECT concat(t.*) FROM item t ORDER BY id';
    for (const table of ['public.item_0', 'public.item_1']) await insert(table);
    expect(await replica.rows(all)).toEqual(await primary.rows(all));
    for (const table of ['public.item_0', 'public.item_1'])
      await change(
        table,
        `UPDATE ${table} SET n = n + 1 WHERE id % 3 = 0; DELETE FROM ${table} WHERE id % 5 = 0`,
      );
    expect(await replica.rows(all)).toEqual(await primary.rows(all));
    const red = `SELECT count(*) FROM item WHERE c = 'red'`;
    expect(await replica.rows(red)).toEqual(await primary.rows(red));
  });

  test('what was written to a table that is emptied afterwards is not written again', async () => {
    const { replica, send } = await pair(
      servers.server(0),
      'CREATE TABLE config (id int PRIMARY KEY, v text)',
    );
    await replica.write(`INSERT INTO config VALUES (1, 'by the script')`);
    const table = named('public.config');
    await send(
      'INSERT',
      table,
      '(1,"by the script")',
      'EMPTY',
      table,
      'B',
      table,
      '(1,"by the script")',
      '(2,later)',
      ';',
    );
    expect(await replica.rows('SELECT concat(t.*) FROM config t ORDER BY id')).toEqual([
      ['(1,"by the script")'],
      ['(2,later)'],
    ]);
  });
});
