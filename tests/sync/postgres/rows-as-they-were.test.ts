/** A member is brought level with the rows that the source has, whatever its definitions would make of them. */

import { expect, test } from 'vitest';
import type { Remark } from '../../../src/dialects/postgres/remarks.ts';
import { dumpableServers } from '../../support/dumpable.ts';
import { withServers } from '../../support/index.ts';
import { differences, enrolledMember, synchronise } from './fresh-members.ts';

/** Without pg_dump, `full` writes rows as `diff` does. */
const binaries = dumpableServers();
const servers = withServers(1, binaries === undefined ? {} : { binaries });

const schema = `
  DO $$ BEGIN CREATE ROLE lockstep_owner; EXCEPTION WHEN duplicate_object THEN END $$;
  CREATE FUNCTION f(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_setting('made.here', true) = 'yes' THEN RETURN i; END IF; RAISE 'computed again'; END $$;
  CREATE FUNCTION who(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_user = 'lockstep_owner' OR current_setting('made.here', true) = 'yes' THEN RETURN i; END IF; RAISE 'computed as %', current_user; END $$;
  CREATE DOMAIN num AS int CHECK (f(value) > 0); CREATE TYPE color AS ENUM ('red', 'green', 'blue');
  CREATE TABLE marked (id int PRIMARY KEY CHECK (f(id) = id), d num, g int GENERATED ALWAYS AS (f(id)) STORED);
  CREATE TABLE parted (id int, note text) PARTITION BY LIST (f(id)); CREATE TABLE part PARTITION OF parted DEFAULT;
  CREATE TABLE hashed (id int, c color) PARTITION BY HASH (c);
  CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  CREATE TABLE indexed (id int, note text); CREATE INDEX ON indexed (who(id)); ALTER TABLE indexed OWNER TO lockstep_owner`;

const rows = (from: number, to: number) => `SET made.here = 'yes';
  INSERT INTO marked SELECT i, i FROM generate_series(${from}, ${to}) i; INSERT INTO parted SELECT i, 'p' FROM generate_series(${from}, ${to}) i;
  INSERT INTO indexed SELECT i, 'x' FROM generate_series(${from}, ${to}) i; INSERT INTO hashed SELECT i, (enum_range(NULL::color))[1 + i % 3] FROM generate_series(${from}, ${to}) i`;

test.each([
  { strategy: 'diff', there: 5 },
  { strategy: 'diff', there: 190 },
  { strategy: 'full', there: 5 },
] as const)(
  'sync: $strategy: rows are written as they are, over $there that are there',
  async ({ strategy, there }) => {
    const source = await enrolledMember(servers.server(0), { sql: schema });
    const target = await enrolledMember(servers.server(0), { sql: schema });
    await source.write(rows(1, 200));
    await target.write(rows(1, there));
    await target.write('DELETE FROM indexed WHERE id = 3');
    await synchronise(source, target, { strategy });
    const found = (await differences(source, target)).filter(({ object }) => !object.includes('hashed_'));
    expect(found).toEqual([]);
    const hashed = 'SELECT concat(t.*) FROM hashed t ORDER BY id';
    expect(await target.rows(hashed)).toEqual(await source.rows(hashed));
    expect(await target.rows(`SELECT conname FROM pg_constraint WHERE contype = 'z'`)).toEqual([]);
    // Again: there is nothing to do.
    expect(await synchronise(source, target)).toEqual([]);
  },
);

test.each(['diff', 'full'] as const)(
  'sync: %s: an index that cannot be computed on the target is left out there',
  async (strategy) => {
    const remarks: Remark[] = [];
    const failing = `${schema}; CREATE UNIQUE INDEX only_there ON marked (f(id)) WHERE who(id) > 0; CREATE INDEX ok ON marked (abs(d))`;
    const source = await enrolledMember(servers.server(0), { sql: failing });
    const target = await enrolledMember(servers.server(0), {
      sql: failing,
      remark: (remark) => void remarks.push(remark),
    });
    await source.write(rows(1, 50));
    await synchronise(source, target, { strategy });
    const found = (await differences(source, target)).filter(({ object }) => !object.includes('hashed_'));
    expect(found.map(({ object }) => object)).toEqual(binaries === undefined ? [] : ['public.only_there']);
    const state = `SELECT indexrelid::regclass FROM pg_index WHERE NOT indisready`;
    expect(await target.rows(state)).toEqual([['only_there']]);
    expect(remarks.filter(({ type }) => type === 'index-left-out')).toMatchObject([
      { member: target.member.id, index: expect.stringContaining('only_there'), unique: true },
    ]);
    // From such a member too.
    const third = await enrolledMember(servers.server(0), { sql: failing });
    await synchronise(target, third, { strategy });
    expect(await third.rows('SELECT concat(t.*) FROM marked t ORDER BY id')).toEqual(
      await source.rows('SELECT concat(t.*) FROM marked t ORDER BY id'),
    );
  },
);
