/**
 * PostGIS, where it is installed. Not here: an upgrade of it, for which a machine would need two versions (Debian has one), and pgvector,
 * which Debian 12 does not have.
 */

import { expect } from 'vitest';
import { postgisServers } from '../support/postgis.ts';
import { testScenarios } from './run-scenarios.ts';

const binaries = postgisServers();
const createExtension = 'CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public';
const needsSuperuser = 'extensions in C are made by superusers';

testScenarios(
  'PostGIS',
  [
    {
      name: 'places: checks, generated columns and indexes of every kind over geometries',
      ways: ['extended'],
      needsSuperuser,
      setup: `${createExtension};
        CREATE TABLE place (id int PRIMARY KEY, at geometry(Point, 4326) NOT NULL, area geometry(Polygon, 4326), geo geography,
          metric geometry GENERATED ALWAYS AS (ST_Transform(at, 3857)) STORED, label text GENERATED ALWAYS AS (ST_AsText(at)) STORED,
          CHECK (ST_IsValid(area)), CHECK (ST_X(at) BETWEEN -180 AND 180));
        CREATE TABLE track (at geometry(PointZ), seen timestamptz DEFAULT clock_timestamp());
        CREATE INDEX ON place USING gist (at); CREATE INDEX ON place USING gist (geo); CREATE INDEX ON place USING spgist (area);
        CREATE INDEX ON place USING brin (at); CREATE INDEX ON place (ST_GeoHash(at)); CREATE INDEX ON place USING gist (ST_Transform(at, 3857))`,
      step: async (client) => {
        const base = client.place * 10;
        await client.run(
          `INSERT INTO place (id, at, area, geo) SELECT i, ST_SetSRID(ST_Point(i, i / 3.0), 4326), ST_Buffer(ST_SetSRID(ST_Point(i, 1), 4326), 0.5),
             ST_Point(i, 5)::geography FROM generate_series($1::int, $1::int + 4) i`,
          [base],
        );
        await client.run('UPDATE place SET at = ST_Translate(at, 0.1, random()) WHERE id = $1', [base]);
        await client.run('UPDATE place SET id = -id - 1 WHERE id = $1', [base + 1]);
        await client.run('DELETE FROM place WHERE id = $1', [base + 2]);
        await client.run(
          'INSERT INTO track (at) SELECT ST_MakePoint($1, random(), i) FROM generate_series(1, 5) i',
          [client.place],
        );
        await client.run('DELETE FROM track WHERE ST_X(at) = $1 AND ST_Z(at) > 3', [client.place]);
        await client.fails(
          '23514',
          'INSERT INTO place (id, at) VALUES ($1, ST_SetSRID(ST_Point(200, 0), 4326))',
          [base],
        );
      },
      finish:
        'ALTER TABLE place ADD more geometry(Point, 4326), ADD CHECK (ST_IsSimple(at)); CREATE INDEX ON track USING gist (at)',
      expect: {
        'SET enable_seqscan = off; SELECT count(*) FROM place WHERE at && ST_MakeEnvelope(-1, -1, 100, 100, 4326)':
          '32',
        'SELECT count(*) FROM place WHERE label = ST_AsText(at) AND ST_Equals(metric, ST_Transform(at, 3857))':
          '32',
        'SELECT count(*) FROM track': '24',
      },
    },
    {
      name: 'coordinate systems of one’s own, in the table of the extension',
      ways: ['prepared'],
      needsSuperuser,
      setup: `${createExtension}; CREATE TABLE mapped (id int PRIMARY KEY, at geometry)`,
      step: async (client) => {
        const srid = 990_000 + client.place;
        await client.run(
          `INSERT INTO public.spatial_ref_sys (srid, auth_name, auth_srid, proj4text) VALUES ($1::int, 'own', $1::int, '+proj=longlat +datum=WGS84 +no_defs')
           ON CONFLICT (srid) DO UPDATE SET srtext = 'again'`,
          [srid],
        );
        await client.run(
          "UPDATE public.spatial_ref_sys SET proj4text = '+proj=merc +datum=WGS84 +no_defs' WHERE srid = $1",
          [srid],
        );
        await client.run(
          'INSERT INTO mapped VALUES ($1::int, ST_Transform(ST_SetSRID(ST_Point(8, 50), 4326), $2::int))',
          [client.place, srid],
        );
        await client.run('DELETE FROM public.spatial_ref_sys WHERE srid = $1', [2000 + client.place]);
      },
      expect: { 'SELECT count(*) FROM mapped WHERE round(ST_X(at)) = 890556': '8' },
    },
    {
      name: 'columns that a function of PostGIS adds and drops',
      ways: ['simple'],
      clients: 2,
      plainOnly: 'what it adds columns to is named by its schema',
      setup: `${createExtension}; CREATE TABLE t0 (id int); CREATE TABLE t1 (id int)`,
      step: async (client) => {
        const column = `'${client.schema}', 't${client.place}', 'at'`;
        await client.run(`SELECT AddGeometryColumn(${column}, 4326, 'POINT', 2)`);
        await client.run(`INSERT INTO t${client.place} VALUES (1, ST_SetSRID(ST_Point(1, 2), 4326))`);
        if (client.place === 1) await client.run(`SELECT DropGeometryColumn(${column})`);
      },
      expect: { 'SELECT ST_X(at) FROM t0': '1' },
    },
    {
      name: 'extensions whose scripts write rows and set the database’s search path',
      ways: ['simple'],
      clients: 1,
      plainOnly: 'it changes the database, not tables',
      setup: createExtension,
      step: async (client) => {
        await client.run('CREATE EXTENSION postgis_topology');
        await client.run('CREATE EXTENSION postgis_raster SCHEMA public');
        await client.run('CREATE TABLE pixels (id int PRIMARY KEY, r raster)');
        await client.run(
          'INSERT INTO pixels SELECT i, ST_MakeEmptyRaster(10, 10, i, 0, 1) FROM generate_series(1, 5) i',
        );
        await client.run("INSERT INTO topology.topology (name, srid, precision) VALUES ('own', 4326, 0)");
        await client.refused('LS003', "SELECT topology.CreateTopology('made')");
        const { rows } = await client.run(
          "SELECT array_to_string(setconfig, ' ') AS path FROM pg_db_role_setting WHERE setrole = 0 AND array_to_string(setconfig, ' ') LIKE '%topology%'",
        );
        expect(rows).toEqual([{ path: 'search_path="$user", public, topology' }]);
      },
      finish:
        'DROP TABLE pixels; DROP EXTENSION postgis_raster; CREATE TABLE after (at geometry); INSERT INTO after VALUES (ST_Point(1, 1))',
      expect: {
        "SELECT count(*) FROM topology.topology WHERE name = 'own'": '1',
        "SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting WHERE setrole = 0 AND array_to_string(setconfig, ' ') LIKE '%topology%'":
          'search_path="$user", public, topology',
      },
    },
  ],
  { binaries },
);
