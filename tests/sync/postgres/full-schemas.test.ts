/** Whatever a schema holds, a member that has nothing comes to hold the same: by our own comparison, and seen from outside. */

import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { PostgresServer } from '../../../src/testing/index.ts';
import { findPostgres, findPostgresTool } from '../../../src/testing/index.ts';
import { shopRoles } from '../../dialects/postgres/shop-schema.ts';
import { dumpableServers } from '../../support/dumpable.ts';
import { withServers } from '../../support/index.ts';
import { postgisServers } from '../../support/postgis.ts';
import { compared, differing, isEqual, sync } from './compared.ts';
import { everySchema } from './every-schema.ts';
import { differences, enrolledMember, freshMember, synchronise } from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

const binaries = dumpableServers();

/** What pg_dump writes of a database, in no order. What is Lockstep's own has numbers in it. */
function dumped({ server, database }: FreshMember): readonly string[] {
  const text = execFileSync(
    findPostgresTool('pg_dump') ?? '',
    ['--schema-only', '--exclude-schema=lockstep', '--no-password', database],
    { env: { ...process.env, PGHOST: '127.0.0.1', PGPORT: String(server.port), PGUSER: server.user } },
  ).toString();
  const words = /^(--|\\(un)?restrict )|"!lockstep_|lockstep_guard/;
  return text
    .split('\n')
    .filter((line) => !words.test(line))
    .toSorted();
}

async function sourceOn(server: PostgresServer, sql: string): Promise<FreshMember> {
  await server.query(`DO $$ BEGIN IF to_regrole('reader') IS NULL THEN ${shopRoles} END IF; END $$`);
  return await enrolledMember(server, { sql });
}

describe.skipIf(binaries === undefined)('sync: full: every schema', () => {
  const older = withServers(2, binaries === undefined ? {} : { binaries });
  // Nothing here can dump the newest version: it is only a target.
  const newer = withServers(1, { binaries: findPostgres() });
  const all = Object.values(everySchema).join('\n');

  test('all of it at once: the same afterwards', async () => {
    const source = await sourceOn(older.server(0), all);
    // What new objects would get there is not what the source's have.
    const target = await freshMember(older.server(1), {
      sql: 'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC',
    });
    await synchronise(source, target, { strategy: 'full' });
    expect(dumped(target)).toEqual(dumped(source));
    expect(await differences(source, target)).toEqual([]);
    const found = await compared([source, target]);
    expect([...found.schema.values()].flat()).toEqual([]);
    expect(isEqual(found)).toBe(true);
  });

  test('on a newer version too', async () => {
    const source = await sourceOn(older.server(0), all);
    const target = await freshMember(newer.server(0));
    await synchronise(source, target, { strategy: 'full' });
    const found = await compared([source, target]);
    expect([...found.schema.values()].flat()).toEqual([]);
    expect(isEqual(found)).toBe(true);
  });

  test('an extension that is not there in this version is named before anything is removed', async () => {
    const source = await sourceOn(older.server(0), 'CREATE TABLE t (a int)');
    await source.write(`UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'plpgsql'`);
    const target = await freshMember(older.server(1), { sql: 'CREATE TABLE mine (a int)' });
    await expect(synchronise(source, target, { strategy: 'full' })).rejects.toMatchObject({
      code: 'sync.schema-not-made',
      message: expect.stringContaining('plpgsql 0.1'),
    });
    expect(await target.rows('SELECT count(*) FROM mine')).toEqual([['0']]);
  });
});

const withPostgis = postgisServers();

describe.skipIf(withPostgis === undefined)('sync: full: PostGIS', () => {
  const servers = withServers(2, withPostgis === undefined ? {} : { binaries: withPostgis });

  test('geometries, coordinate systems of one’s own, and extensions whose scripts go by the search path of the database', async () => {
    const source = await enrolledMember(servers.server(0), {
      sql: `CREATE EXTENSION postgis; CREATE EXTENSION postgis_topology; CREATE EXTENSION postgis_raster;
        CREATE TABLE place (id int PRIMARY KEY, at geometry(Point, 4326), far geometry GENERATED ALWAYS AS (ST_Transform(at, 3857)) STORED, CHECK (ST_IsValid(at)));
        CREATE INDEX ON place USING gist (at); INSERT INTO place (id, at) SELECT i, ST_SetSRID(ST_Point(i, 1), 4326) FROM generate_series(1, 50) i;
        INSERT INTO spatial_ref_sys (srid, proj4text) VALUES (990001, '+proj=longlat +no_defs'); DELETE FROM spatial_ref_sys WHERE srid = 2000`,
    });
    const target = await freshMember(servers.server(1));
    await synchronise(source, target, { strategy: 'full' });
    expect(await differences(source, target)).toEqual([]);
    expect(isEqual(await compared([source, target]))).toBe(true);
  });
});

describe('sync: what is computed and stored', () => {
  const servers = withServers(2);
  const schema = (zone: string): string =>
    `CREATE FUNCTION day_of(timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char($1, 'YYYY-MM-DD') $$;
     CREATE TABLE ev (id int PRIMARY KEY, at timestamptz, day text GENERATED ALWAYS AS (day_of(at)) STORED);
     CREATE TABLE base (a int); INSERT INTO base VALUES (1);
     SET TimeZone = '${zone}'; INSERT INTO ev (id, at) VALUES (1, '2026-03-01 20:00:00+00'), (2, '2026-03-01 05:00:00+00');
     CREATE MATERIALIZED VIEW mv AS SELECT a, current_setting('TimeZone') AS zone FROM base`;
  const pair = async (): Promise<readonly [FreshMember, FreshMember]> => [
    await enrolledMember(servers.server(0), { sql: schema('Asia/Tokyo') }),
    await enrolledMember(servers.server(1), { sql: schema('UTC') }),
  ];

  test('a generated column and a materialized view that differ are reported with their rows', async () => {
    const [source, target] = await pair();
    const found = await compared([source, target]);
    expect(differing(found)).toEqual({ 'public.ev': [target.member.id], 'public.mv': [target.member.id] });
    const ev = found.tables.find(({ table }) => table === 'public.ev')?.differences.get(target.member.id);
    expect(ev?.pairs).toEqual([
      {
        key: { id: '1' },
        right: expect.objectContaining({ day: '2026-03-02' }),
        other: expect.objectContaining({ day: '2026-03-01' }),
      },
    ]);
  });

  test('a sample sees a generated column', async () => {
    const [source, target] = await pair();
    const sampler = sync.openSampler(() => 0);
    try {
      const sample = await sampler.pick(source.member);
      if (sample === undefined) throw new Error('there is one table with a key');
      expect(sample.table).toBe('public.ev');
      expect(await sampler.digest(source.member, sample)).not.toBe(
        await sampler.digest(target.member, sample),
      );
    } finally {
      sampler.close();
    }
  });

  test('a repair ends level with the same values, or not at all', async () => {
    const [source, target] = await pair();
    const failure = await synchronise(source, target).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) {
      expect(isEqual(await compared([source, target]))).toBe(true);
      return;
    }
    expect(failure).toMatchObject({
      code: 'sync.computed-differs',
      message: expect.stringContaining('generated columns day'),
    });
    expect((await target.member.inspect()).marks?.incomplete).toBe('a test');
  });

  test('a materialized view gets the rows that the source has, not what it would compute', async () => {
    const [source, target] = await pair();
    // It is not about these.
    await target.write('DROP TABLE ev');
    await source.write('DROP TABLE ev');
    await synchronise(source, target);
    expect(await target.rows('SELECT * FROM mv')).toEqual([['1', 'Asia/Tokyo']]);
    expect(isEqual(await compared([source, target]))).toBe(true);
    await target.write('REFRESH MATERIALIZED VIEW mv');
    expect(isEqual(await compared([source, target]))).toBe(false);
  });
});
