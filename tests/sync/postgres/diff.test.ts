import { describe, expect, onTestFinished, test } from 'vitest';
import { invariant, messageOf } from '../../../src/base/index.ts';
import { PostgresDataSync } from '../../../src/dialects/postgres/index.ts';
import { FaultProxy, startServers } from '../../../src/testing/index.ts';
import { otherPostgres } from '../../dialects/postgres/member-connection.ts';
import { waitFor, withServers } from '../../support/index.ts';
import { differences, enrolledMember, KeptRows, synchronise, watching } from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

const members = withServers(2, { settings: { max_prepared_transactions: 10 } });

async function pairOf(sql: string): Promise<{ source: FreshMember; target: FreshMember }> {
  const [source, target] = await Promise.all([
    enrolledMember(members.server(0), { sql }),
    enrolledMember(members.server(1), { sql }),
  ]);
  return { source, target };
}

/** Each: a table with rows, and what happens to it on one member alone. */
const tables: Readonly<Record<string, { readonly make: string; readonly wreck: string }>> = {
  'without a key, with duplicates': {
    make: `CREATE TABLE t (a int, b text);
      INSERT INTO t SELECT i % 10, NULL FROM generate_series(1, 1000) i; INSERT INTO t SELECT 1, '' FROM generate_series(1, 3)`,
    wreck: `DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a = 3 LIMIT 7); INSERT INTO t SELECT 4, NULL FROM generate_series(1, 5);
      DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE b = '' LIMIT 1)`,
  },
  'with a key of several columns, whose values are swapped': {
    make: `CREATE TABLE t (a int, b text, c int UNIQUE, PRIMARY KEY (a, b)); INSERT INTO t SELECT i, 'x' || i, i FROM generate_series(1, 500) i`,
    wreck: `UPDATE t SET c = -c WHERE a <= 2; UPDATE t SET c = 3 + c WHERE a <= 2; UPDATE t SET b = 'y' WHERE a = 77`,
  },
  'keyed by text under an odd collation': {
    make: `CREATE COLLATION odd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE t (k text COLLATE odd PRIMARY KEY, v int); INSERT INTO t SELECT 'Straße ' || i, i FROM generate_series(1, 300) i`,
    wreck: `UPDATE t SET k = upper(k COLLATE "C") WHERE v < 10; UPDATE t SET k = k || ' ' WHERE v > 295`,
  },
  'keyed by uuid': {
    make: `CREATE TABLE t (k uuid PRIMARY KEY, v text); INSERT INTO t SELECT md5(i::text)::uuid, i FROM generate_series(1, 300) i`,
    wreck: `UPDATE t SET v = 'other' WHERE v::int % 50 = 0; DELETE FROM t WHERE v = '7'`,
  },
  'keyed by bytea': {
    make: `CREATE TABLE t (k bytea PRIMARY KEY, v text); INSERT INTO t SELECT decode(md5(i::text), 'hex'), i FROM generate_series(1, 300) i;
      INSERT INTO t VALUES ('\\x00', 'zero'), ('\\x', 'empty')`,
    wreck: `DELETE FROM t WHERE k = '\\x00'; UPDATE t SET k = '\\x5c' WHERE v = 'empty'`,
  },
  'keyed by numeric': {
    make: `CREATE TABLE t (k numeric PRIMARY KEY); INSERT INTO t SELECT i / 7.0 FROM generate_series(1, 300) i; INSERT INTO t VALUES ('NaN'), (1.10), (1e40), (-0.000)`,
    wreck: `UPDATE t SET k = 1.1 WHERE k = 1.1; DELETE FROM t WHERE k = 'NaN'`,
  },
  'keyed by timestamptz': {
    make: `CREATE TABLE t (k timestamptz PRIMARY KEY, d interval); INSERT INTO t SELECT '2024-03-31 00:30+00'::timestamptz + i * interval '1 hour 1 us', i * interval '1 mon -1 day 3 s' FROM generate_series(1, 300) i;
      INSERT INTO t VALUES ('infinity'), ('-infinity'), ('0044-03-15 12:00+00 BC')`,
    wreck: `DELETE FROM t WHERE k = 'infinity'; UPDATE t SET d = d + interval '1 us' WHERE extract(hour FROM k) = 3`,
  },
  'of floats that are hard to tell apart': {
    make: `CREATE TABLE t (a float8, b float4); INSERT INTO t VALUES ('NaN', 1), (0, 2), ('-0', 3), (0.1, 0.1), (0.30000000000000004, 4), ('-infinity', 5), (5e-324, 6)`,
    wreck: `UPDATE t SET a = '-0' WHERE b = 2; UPDATE t SET a = 0.3 WHERE b = 4; DELETE FROM t WHERE a = 'NaN'; INSERT INTO t VALUES (NULL, NULL)`,
  },
  'of domains, enums, composites, ranges, arrays and json': {
    make: `CREATE TYPE mood AS ENUM ('low', 'high'); CREATE TYPE spot AS (x int, note text); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
      CREATE TABLE t (m mood, s spot, p positive, r int4range, tr tstzrange, a text[], ms mood[], ss spot[], j json, b jsonb, x xml, i inet, bits varbit(9), w tsvector, pt point);
      INSERT INTO t SELECT 'low', ROW(i, E'tab\\there')::spot, i, int4range(i, i + 3), tstzrange(now(), NULL), ARRAY['a', NULL, '{"q"}', E'new\\nline \\\\.'], ARRAY['low', 'high']::mood[], ARRAY[ROW(1, NULL)::spot],
        '{"a":1,  "a": 2}', '{"a": [1.10]}', '<a>é</a>', '10.0.0.1/8', B'101', 'a fat cat', point(i, -0.0) FROM generate_series(1, 50) i`,
    wreck: `UPDATE t SET m = 'high' WHERE p = 1; UPDATE t SET s.note = E'\\\\N' WHERE p = 2; UPDATE t SET j = '{"a":1, "a": 2}' WHERE p = 3; UPDATE t SET a = '{}' WHERE p = 4; UPDATE t SET b = NULL WHERE p = 5; DELETE FROM t WHERE p = 6`,
  },
  'with partitions between which rows have moved': {
    make: `CREATE TABLE t (a int, b text, PRIMARY KEY (a)) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100);
      CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (1000) PARTITION BY LIST (a); CREATE TABLE t2x PARTITION OF t2 DEFAULT;
      INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 400) i`,
    wreck: `UPDATE t SET a = a + 500 WHERE a < 10; DELETE FROM t2x WHERE a = 200`,
  },
  'with children that inherit from it': {
    make: `CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE child (c int) INHERITS (t); INSERT INTO t SELECT i, 'p' FROM generate_series(1, 20) i; INSERT INTO child SELECT i, 'c', i FROM generate_series(1, 20) i`,
    wreck: `UPDATE ONLY t SET b = 'wrong' WHERE a = 3; UPDATE child SET c = 0 WHERE a = 4; DELETE FROM child WHERE a = 5`,
  },
  'of 200 columns': {
    make: `DO $$ BEGIN EXECUTE 'CREATE TABLE t (' || (SELECT string_agg('c' || i || CASE i % 3 WHEN 0 THEN ' int' WHEN 1 THEN ' text' ELSE ' timestamptz' END, ', ') FROM generate_series(1, 200) i) || ')'; END $$;
      INSERT INTO t (c1, c3, c200) SELECT 'x' || i, i, now() FROM generate_series(1, 200) i`,
    wreck: `UPDATE t SET c199 = 'changed' WHERE c3 = 5; DELETE FROM t WHERE c3 = 6`,
  },
  'with generated columns and identity': {
    make: `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, other serial);
      INSERT INTO t (a) SELECT i FROM generate_series(1, 100) i`,
    wreck: `UPDATE t SET a = -a WHERE id < 4; DELETE FROM t WHERE id = 50; INSERT INTO t (a) VALUES (1000)`,
  },
  'without columns': {
    make: `CREATE TABLE t (); INSERT INTO t SELECT FROM generate_series(1, 5)`,
    wreck: `DELETE FROM t; INSERT INTO t SELECT FROM generate_series(1, 3)`,
  },
  'whose names need quotes': {
    make: `CREATE SCHEMA "Odd Schema"; CREATE TABLE "Odd Schema"."t""1" ("a b" int, "!row" text, line text, hash int, ctid_ int, "select" text); INSERT INTO "Odd Schema"."t""1" SELECT i, 'x', 'y', i FROM generate_series(1, 30) i`,
    wreck: `UPDATE "Odd Schema"."t""1" SET "!row" = 'changed' WHERE "a b" = 3`,
  },
  'that refer to each other': {
    make: `CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t DEFERRABLE); CREATE TABLE u (id int PRIMARY KEY REFERENCES t ON DELETE CASCADE);
      INSERT INTO t SELECT i, i - 1 FROM generate_series(1, 100) i WHERE i > 1 OR true LIMIT 0; INSERT INTO t SELECT i, nullif(i - 1, 0) FROM generate_series(1, 100) i; INSERT INTO u SELECT id FROM t`,
    wreck: `DELETE FROM t; DELETE FROM u WHERE id > 50`,
  },
  'with triggers that always fire, and an exclusion constraint': {
    make: `CREATE TABLE audit (what text); CREATE TABLE t (r int4range, EXCLUDE USING gist (r WITH &&));
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.audit VALUES (TG_OP); RETURN NULL; END';
      CREATE TRIGGER noting AFTER INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note(); ALTER TABLE t ENABLE ALWAYS TRIGGER noting;
      INSERT INTO t SELECT int4range(i * 10, i * 10 + 5) FROM generate_series(1, 50) i`,
    wreck: `UPDATE t SET r = int4range(lower(r) + 1, upper(r) + 2) WHERE lower(r) < 100; DELETE FROM t WHERE lower(r) = 400; DELETE FROM audit WHERE ctid = '(0,1)'`,
  },
};

describe('sync: diff', () => {
  for (const [what, { make, wreck }] of Object.entries(tables)) {
    test(`brings tables level ${what}`, async () => {
      const { source, target } = await pairOf(make);
      await target.write(wreck);
      expect(await differences(source, target)).not.toEqual([]);
      await synchronise(source, target);
      expect(await differences(source, target)).toEqual([]);
      // What was repaired is found equal by a second one.
      expect(await synchronise(source, target)).toEqual([]);
    });
  }

  test('goes by the names of columns, whatever their order and whatever was dropped before', async () => {
    const source = await enrolledMember(members.server(0), {
      sql: `CREATE TABLE t (gone int, a int, b text, c date); INSERT INTO t SELECT i, i, 'b' || i FROM generate_series(1, 100) i; ALTER TABLE t DROP COLUMN gone`,
    });
    const target = await enrolledMember(members.server(1), {
      sql: `CREATE TABLE t (c date, b text, other int, a int); INSERT INTO t (a, b) SELECT i, 'b' || i FROM generate_series(1, 100) i; ALTER TABLE t DROP COLUMN other`,
    });
    expect(await synchronise(source, target)).toEqual([]);
    await target.write(`UPDATE t SET b = 'wrong' WHERE a = 5`);
    expect(await synchronise(source, target)).toMatchObject([{ missing: 1, extra: 1 }]);
    const rows = 'SELECT a, b, c FROM t ORDER BY a';
    expect(await target.rows(rows)).toEqual(await source.rows(rows));
  });

  test('in a database of another encoding, rows and names are what they were', async () => {
    const as = `ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`;
    const sql = `CREATE TABLE "Größe" ("Maß" text); INSERT INTO "Größe" VALUES ('Fuß'), ('Ärmel')`;
    const source = await enrolledMember(members.server(0), { sql, as });
    const target = await enrolledMember(members.server(1), { sql, as });
    await target.write(`UPDATE "Größe" SET "Maß" = 'Füße' WHERE "Maß" = 'Fuß'`);
    const keeper = new KeptRows('latin1');
    const changes = await synchronise(source, target, { keeper });
    expect(changes).toMatchObject([
      { table: 'public."Größe"', samples: [{ row: '(Fuß)' }, { row: '(Füße)' }] },
    ]);
    expect(keeper.rows).toEqual([{ table: 'public."Größe"', columns: ['"Maß"'], row: 'Füße' }]);
    expect(await differences(source, target)).toEqual([]);
  });

  test('in many slices: a key that moved from one to another is no obstacle', async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (id int PRIMARY KEY, a text UNIQUE); INSERT INTO t SELECT i, 'a' || i FROM generate_series(1, 20000) i; ANALYZE t`,
    );
    await target.write(`UPDATE t SET a = 'moved ' || id WHERE id % 3 = 0; DELETE FROM t WHERE id % 100 = 1`);
    const sync = new PostgresDataSync({ pgDump: undefined, environment: {}, sliceRows: 1000 });
    const keeper = new KeptRows();
    const changes = await synchronise(source, target, { sync, keeper });
    expect(changes).toMatchObject([{ table: 'public.t', missing: 6800, extra: 6600 }]);
    expect(keeper.rows).toHaveLength(6600);
    expect(await differences(source, target)).toEqual([]);
  });

  test('where most of a table differs, it is kept and copied whole', async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (id int PRIMARY KEY, a text); CREATE TABLE u (id int REFERENCES t); INSERT INTO t SELECT i, 'a' || i FROM generate_series(1, 20000) i; ANALYZE t`,
    );
    await target.write(`UPDATE t SET a = 'other' WHERE id % 4 > 0`);
    const sync = new PostgresDataSync({ pgDump: undefined, environment: {}, sliceRows: 1000 });
    const keeper = new KeptRows();
    const changes = await synchronise(source, target, { sync, keeper });
    expect(changes).toMatchObject([{ table: 'public.t', missing: 20000, extra: 20000 }]);
    expect(keeper.rows).toHaveLength(20000);
    expect(await differences(source, target)).toEqual([]);
  });

  test('more equal rows than fit into memory are copied whole', async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (a bool); INSERT INTO t SELECT true FROM generate_series(1, 30000); ANALYZE t`,
    );
    await target.write(`INSERT INTO t SELECT true FROM generate_series(1, 5)`);
    const sync = new PostgresDataSync({ pgDump: undefined, environment: {}, sliceRows: 1000 });
    expect(await synchronise(source, target, { sync })).toMatchObject([{ missing: 30000, extra: 30005 }]);
    expect(await differences(source, target)).toEqual([]);
  });

  test('a dry run finds the same and changes nothing', async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100)`,
    );
    await target.write('UPDATE t SET a = 0 WHERE a < 3; INSERT INTO t VALUES (7)');
    const keeper = new KeptRows();
    const found = await synchronise(source, target, { dryRun: true, keeper });
    expect(found).toMatchObject([{ table: 'public.t', missing: 2, extra: 3 }]);
    expect(keeper.rows).toEqual([]);
    expect((await target.member.inspect()).marks?.incomplete).toBeNull();
    expect(await synchronise(source, target)).toEqual(found);
  });

  test('a materialized view that differs is computed anew, after what it is made from', async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); CREATE MATERIALIZED VIEW first AS SELECT sum(a) FROM t; CREATE MATERIALIZED VIEW above AS SELECT * FROM first; CREATE MATERIALIZED VIEW never AS SELECT 1 WITH NO DATA`,
    );
    await target.write('DELETE FROM t; REFRESH MATERIALIZED VIEW first; REFRESH MATERIALIZED VIEW above');
    const changes = await synchronise(source, target);
    expect(changes.map(({ table }) => table)).toEqual(['public.t', 'public.above', 'public.first']);
    expect(await differences(source, target)).toEqual([]);
  });

  test('given up at any point it is marked, leaves nothing at work, and goes on where it was', {
    timeout: 120_000,
  }, async () => {
    const { source, target } = await pairOf(
      `CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 20000) i; ANALYZE t; CREATE TABLE u AS TABLE t`,
    );
    await target.write(
      `UPDATE t SET a = reverse(a) WHERE id % 4 = 0; DELETE FROM u WHERE id % 3 = 0; ANALYZE t; ANALYZE u`,
    );
    const sync = new PostgresDataSync({ pgDump: undefined, environment: {}, sliceRows: 5000 });
    let attempts = 0;
    for (let done = false; !done; attempts += 1) {
      let steps = 0;
      const control = watching(() => {
        if (steps++ === attempts) control.stop();
      });
      done = await synchronise(source, target, { sync, control }).then(
        () => true,
        (error: unknown) => {
          expect(messageOf(error)).toBe('stopped by the test');
          return false;
        },
      );
      const { marks } = await target.member.inspect();
      expect(marks?.incomplete).toBe(done ? null : 'a test');
      for (const member of [source, target]) {
        await waitFor(
          async () =>
            (
              await member.rows(
                `SELECT FROM pg_stat_activity WHERE application_name = 'lockstep sync' AND datname = current_database()`,
              )
            ).length === 0,
          { what: 'nothing is at work any more' },
        );
      }
    }
    expect(attempts).toBeGreaterThan(8);
    expect(await differences(source, target)).toEqual([]);
  });

  test('goes from an older version to a newer one and back', async (context) => {
    const binaries = otherPostgres();
    if (binaries === undefined) {
      context.skip('there is no second version of PostgreSQL here');
      return;
    }
    const [other] = await startServers(1, { durable: false, binaries });
    invariant(other, 'it was started');
    onTestFinished(() => other.destroy());
    const { make, wreck } = tables['of domains, enums, composites, ranges, arrays and json'] ?? {
      make: '',
      wreck: '',
    };
    const here = await enrolledMember(members.server(0), { sql: make });
    const there = await enrolledMember(other, { sql: make });
    await synchronise(here, there);
    expect(await differences(here, there)).toEqual([]);
    await here.write(wreck);
    const changes = await synchronise(there, here);
    expect(changes).toMatchObject([{ missing: 6, extra: 5 }]);
    expect(await differences(here, there)).toEqual([]);
  });

  test('what is slowed down is read in small pieces, of both sides and in each pass', async () => {
    const make = `CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT i, repeat('x', 900) FROM generate_series(1, 20000) i; ANALYZE t`;
    const { source, target } = await pairOf(make);
    await target.write(`UPDATE t SET a = 'other' WHERE id % 500 = 0`);
    const control = watching();
    const taken: number[] = [];
    control.pieceBytesMax = 512 * 1024;
    control.pace = (bytes) => {
      taken.push(bytes);
      return Promise.resolve();
    };
    expect(await synchronise(source, target, { control })).toMatchObject([{ missing: 40, extra: 40 }]);
    // Some of both sides may come together; a page more is what does not divide evenly.
    expect(Math.max(...taken)).toBeLessThanOrEqual(2 * (512 + 8) * 1024);
    const bytes = taken.reduce((sum, one) => sum + one, 0);
    expect(bytes).toBeGreaterThan(4 * 18 * 1024 * 1024);
    const ofTable = control.reports.flatMap((report) => report.ofTable ?? []);
    expect(ofTable.at(-1)).toMatchObject({ rowsDone: 20000, rowsTotal: 20000 });
    const phases = control.reports.map(({ phase }) => phase);
    expect(phases.filter((phase, at) => phase !== phases[at - 1])).toEqual(['compare', 'repair', 'compare']);
  });

  test('of a million rows moves those that differ, and keeps what it removes', {
    timeout: 180_000,
  }, async () => {
    const make = `CREATE TABLE big (id int PRIMARY KEY, a text, b timestamptz DEFAULT now()); INSERT INTO big SELECT i, md5(i::text), '2024-01-01' FROM generate_series(1, 1000000) i; ANALYZE big`;
    const [before, behind] = await Promise.all(
      members.servers.map(({ port }) => FaultProxy.listen({ port })),
    );
    invariant(before && behind, 'there are two servers');
    onTestFinished(async () => void (await Promise.all([before.close(), behind.close()])));
    const [source, target] = await Promise.all([
      enrolledMember(members.server(0), { sql: make, port: before.port }),
      enrolledMember(members.server(1), { sql: make, port: behind.port }),
    ]);
    await target.write(
      `UPDATE big SET a = 'old' WHERE id % 10000 = 0; DELETE FROM big WHERE id = 5; INSERT INTO big VALUES (0, 'only here', '2024-01-01')`,
    );
    const keeper = new KeptRows();
    const changes = await synchronise(source, target, { keeper });
    expect(changes).toMatchObject([{ table: 'public.big', missing: 101, extra: 101 }]);
    const [[size] = []] = await source.rows(`SELECT pg_relation_size('big')`);
    const [read, readBehind, sent] = [
      before.counters.bytesToClient,
      behind.counters.bytesToClient,
      behind.counters.bytesToServer,
    ];
    process.stderr.write(
      `a million rows, 101 differ: of ${size} bytes ${read} and ${readBehind} left the members, ${sent} were sent to the target\n`,
    );
    // Sums of hashes come from both; what goes to the target is what it is asked, and the rows.
    expect(Math.max(read, readBehind)).toBeLessThan(Number(size) / 5);
    expect(sent).toBeLessThan(Number(size) / 300);
    expect(changes[0]?.samples).toHaveLength(6);
    expect(keeper.rows).toHaveLength(101);
    expect(keeper.rows).toContainEqual({
      table: 'public.big',
      columns: ['id', 'a', 'b'],
      row: '0\tonly here\t2024-01-01 00:00:00+00',
    });
    expect(keeper.flushes).toBeGreaterThan(0);
    expect(await differences(source, target)).toEqual([]);
  });
});
