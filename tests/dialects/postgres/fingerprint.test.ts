import { beforeAll, describe, expect, test } from 'vitest';
import type { Difference } from '../../../src/dialects/postgres/compare-fingerprints.ts';
import { compareFingerprints } from '../../../src/dialects/postgres/compare-fingerprints.ts';
import { createControlSchema } from '../../../src/dialects/postgres/control-schema.ts';
import type { Fingerprint, FingerprintProgress } from '../../../src/dialects/postgres/fingerprint.ts';
import { takeFingerprint } from '../../../src/dialects/postgres/fingerprint.ts';
import type { PostgresServer } from '../../../src/testing/index.ts';
import type { ServersFixture } from '../../support/index.ts';
import { withServers } from '../../support/index.ts';
import { cloneDatabase, connectMember, otherPostgres } from './member-connection.ts';
import { shopRoles, shopSchema } from './shop-schema.ts';

const members = withServers(1, { database: 'shop' });

beforeAll(async () => {
  const server = members.server(0);
  await server.query(shopRoles);
  await server.query(shopSchema);
});

async function fingerprintOf(server: PostgresServer, database: string): Promise<Fingerprint> {
  const connection = await connectMember(server, { database });
  try {
    return await takeFingerprint(connection);
  } finally {
    connection.close();
  }
}

/** What is found between the shop and a copy of it in which `sql` was run. */
async function differencesAfter(sql: string): Promise<readonly Difference[]> {
  const server = members.server(0);
  const copy = await cloneDatabase(server, 'shop');
  await server.query(sql, undefined, copy);
  return compareFingerprints(
    new Map([
      ['db1', await fingerprintOf(server, 'shop')],
      ['db2', await fingerprintOf(server, copy)],
    ]),
  );
}

const messagesAfter = async (sql: string): Promise<readonly string[]> =>
  (await differencesAfter(sql)).map(({ message }) => message);

describe('fingerprint: equal', () => {
  test('members with the same definitions, rows and positions are equal, however they came to them', async () => {
    expect(
      await messagesAfter(`
        -- Rows in another physical order, a dropped column's number, rights granted in another order, an index to cluster by.
        UPDATE shop.orders SET total = total WHERE id % 3 = 0;
        ALTER TABLE shop.log ADD COLUMN gone text;
        ALTER TABLE shop.log DROP COLUMN gone;
        REVOKE ALL ON shop.customers FROM reader;
        GRANT TRIGGER, UPDATE, INSERT ON shop.customers TO reader;
        GRANT ALL ON shop.customers TO reader;
        ALTER TABLE shop.orders CLUSTER ON orders_pkey;`),
    ).toEqual([]);
  });

  test('what Lockstep keeps in a member does not count', async () => {
    const control = createControlSchema({ superuser: true });
    expect(await messagesAfter(`BEGIN; ${control}; SELECT lockstep.attach(); COMMIT`)).toEqual([]);
  });

  test('settings of the database change how values are shown, and neither digests nor definitions', async () => {
    const server = members.server(0);
    const copy = await cloneDatabase(server, 'shop');
    const settings = {
      DateStyle: 'German',
      IntervalStyle: 'sql_standard',
      TimeZone: 'Asia/Tokyo',
      extra_float_digits: '-5',
      bytea_output: 'escape',
      search_path: 'shop',
      quote_all_identifiers: 'on',
    };
    for (const [name, value] of Object.entries(settings)) {
      await server.query(`ALTER DATABASE ${copy} SET ${name} = '${value}'`);
    }
    const before = await fingerprintOf(server, 'shop');
    const after = await fingerprintOf(server, copy);
    expect(after.tables).toEqual(before.tables);
    const found = compareFingerprints(
      new Map([
        ['db1', before],
        ['db2', after],
      ]),
    );
    expect(found.map(({ object }) => object)).toEqual(['settings of the database']);
  });

  test('digest and definitions are the same each time', async () => {
    const first = await fingerprintOf(members.server(0), 'shop');
    const second = await fingerprintOf(members.server(0), 'shop');
    expect(second.schema.digest).toBe(first.schema.digest);
    expect(second).toEqual(first);
    expect([...first.schema.definitions.keys()]).toEqual([...first.schema.definitions.keys()].toSorted());
  });

  test('no definition names an object by its number', async () => {
    const { schema } = await fingerprintOf(members.server(0), 'shop');
    const numbered = [...schema.definitions].filter(([object, { text }]) =>
      /\b(1[6-9]|[2-9]\d)\d{3}\b/.test(`${object} ${text}`.replaceAll('100000', '')),
    );
    expect(numbered).toEqual([]);
  });
});

describe('fingerprint: a single difference is found and named', () => {
  const planted: Readonly<Record<string, readonly [sql: string, message: string | RegExp, count?: number]>> =
    {
      'a changed row': [
        `UPDATE shop.orders SET note = '{"who": "w7"}' WHERE id = 7`,
        'table shop.orders has 200 rows on each of db1 and db2, but not the same ones: db1 alone; db2 alone',
      ],
      'a float that differs in its last bit': [
        `UPDATE shop.orders SET ratio = 0.33333333333333337 WHERE id = 1`,
        /^table shop.orders has 200 rows on each/,
      ],
      'NULL instead of an empty text': [
        `UPDATE shop.log SET line = NULL WHERE line = ''`,
        /^table shop.log has 5 rows on each of db1 and db2, but not the same ones/,
      ],
      'one of several equal rows missing in a table without a key': [
        `DELETE FROM shop.log WHERE ctid = (SELECT min(ctid) FROM shop.log WHERE line = 'again')`,
        'table shop.log has 5 rows on db1; 4 rows on db2',
      ],
      'equal numbers of rows, with other repetitions': [
        `DELETE FROM shop.log WHERE ctid = (SELECT min(ctid) FROM shop.log WHERE line = 'again'); INSERT INTO shop.log VALUES ('', '-2 mons 3:04')`,
        /^table shop.log has 5 rows on each of db1 and db2, but not the same ones/,
      ],
      'a row of a partition': [
        `DELETE FROM shop.events WHERE at = '2024-01-05'`,
        'table shop.events_new has 30 rows on db1; 29 rows on db2',
      ],
      'a row of a table with odd names': [
        `UPDATE shop."Odd ""Name" SET "!row" = 'two'`,
        /^table shop."Odd ""Name" has 1 row on each/,
      ],
      'a row of an inheriting table': [
        `DELETE FROM shop.big_customers`,
        'table shop.big_customers has 1 row on db1; 0 rows on db2',
      ],
      'a materialized view that was not refreshed': [
        `ALTER SEQUENCE shop.orders_id_seq OWNED BY NONE; ALTER SEQUENCE shop.orders_id_seq OWNED BY shop.orders.id;
       CREATE TABLE kept AS TABLE shop.orders; TRUNCATE shop.orders; REFRESH MATERIALIZED VIEW shop.summary;
       INSERT INTO shop.orders (id, customer, state, total, tags, note, ratio) SELECT id, customer, state, total, tags, note, ratio FROM kept; DROP TABLE kept`,
        /^table shop.summary has 1 row on each/,
      ],
      'a type of a column': [
        'ALTER TABLE shop.big_customers ALTER discount TYPE bigint',
        'column shop.big_customers.discount is integer default 5 on db1; bigint default 5 on db2',
      ],
      'a collation of a column': [
        'ALTER TABLE shop."Odd ""Name" ALTER "!row" TYPE text COLLATE "POSIX"',
        'column shop."Odd ""Name"."!row" is text collate "C" on db1; text collate "POSIX" on db2',
      ],
      'a default': [
        'ALTER TABLE shop.big_customers ALTER discount SET DEFAULT 6',
        'column shop.big_customers.discount is integer default 5 on db1; integer default 6 on db2',
      ],
      'a NOT NULL': [
        'ALTER TABLE shop.events ALTER data SET NOT NULL',
        'column shop.events.data is bytea on db1; bytea not null on db2',
        // The partitions' columns, and the constraint by its name.
        4,
      ],
      'an identity': [
        'ALTER TABLE shop.customers ALTER id SET GENERATED BY DEFAULT',
        /generated always as identity on db1; integer not null generated by default/,
      ],
      'a check constraint': [
        'ALTER TABLE shop.orders DROP CONSTRAINT sane, ADD CONSTRAINT sane CHECK (total < 100001)',
        /^constraint shop.orders.sane is CHECK .*100000.* on db1; CHECK .*100001.* on db2$/,
      ],
      'a constraint that is no longer enforced': [
        'ALTER TABLE shop.orders DISABLE TRIGGER ALL',
        /^constraint shop.orders.orders_customer_fkey is .* on db1; .*its triggers are disabled\) on db2$/,
      ],
      'a missing index': [
        'DROP INDEX shop.orders_by_state',
        'index shop.orders_by_state is missing on db2 and is there on db1',
      ],
      'an index over other columns': [
        'DROP INDEX shop.orders_by_state; CREATE INDEX orders_by_state ON shop.orders (state)',
        /^index shop.orders_by_state is CREATE INDEX .* on db1; CREATE INDEX orders_by_state ON shop.orders USING btree \(state\) on db2$/,
      ],
      'a body of a function': [
        `CREATE OR REPLACE FUNCTION shop.twice(n integer) RETURNS integer LANGUAGE plpgsql STABLE AS $f$
BEGIN
  -- doubles it
  RETURN n * 3;
END $f$`,
        'function shop.twice(integer) differs in line 8, which is "RETURN n * 2;" on db1; "RETURN n * 3;" on db2',
      ],
      'a volatility of a function': [
        'ALTER FUNCTION shop.twice IMMUTABLE',
        /^function shop.twice\(integer\) differs in line 4, which is "STABLE" on db1; "IMMUTABLE" on db2$/,
      ],
      'a position of a sequence': [
        `SELECT nextval('shop.tickets')`,
        'sequence shop.tickets stands at 100 on db1; 105 on db2',
      ],
      'a sequence that has not begun': [
        `SELECT setval('shop.tickets', 100, false)`,
        'sequence shop.tickets stands at 100 on db1; 100 (not yet handed out) on db2',
      ],
      'an increment of a sequence': [
        'ALTER SEQUENCE shop.tickets INCREMENT 6',
        /^sequence shop.tickets is integer.*increment 5.* on db1; .*increment 6/,
      ],
      'an order of enum labels': [
        `ALTER TYPE shop.state RENAME VALUE 'paid' TO 'x'; ALTER TYPE shop.state RENAME VALUE 'sent' TO 'paid'; ALTER TYPE shop.state RENAME VALUE 'x' TO 'sent'`,
        `type shop.state is enum ('new', 'paid', 'sent') owner postgres on db1; enum ('new', 'sent', 'paid') owner postgres on db2`,
      ],
      'a check of a domain': [
        'ALTER DOMAIN shop.price DROP CONSTRAINT price_check',
        'constraint shop.price.price_check is missing on db2 and is there on db1',
      ],
      'an attribute of a composite type': [
        'ALTER TYPE shop.address RENAME ATTRIBUTE zip TO code',
        /^column shop.address.zip is missing on db2/,
        3,
      ],
      'a right': [
        'GRANT INSERT ON shop.orders TO reader',
        /^rights on table shop.orders is .*reader: SELECT on db1; .*reader: INSERT, SELECT on db2$/,
      ],
      'a right on a column': [
        'REVOKE UPDATE (line) ON shop.log FROM reader',
        'rights on column shop.log.line is missing on db2 and is there on db1',
      ],
      'a right to pass on a right': [
        'GRANT SELECT ON shop.orders TO reader WITH GRANT OPTION',
        /reader: SELECT \(may grant it\) on db2$/,
      ],
      'an owner': [
        'ALTER TABLE shop.log OWNER TO writer',
        /^table shop.log is .*owner postgres on db1; .*owner writer on db2$/,
        2,
      ],
      'an extra table': [
        'CREATE TABLE shop.extra (a integer PRIMARY KEY)',
        'table shop.extra is missing on db1 and is there on db2',
      ],
      'an extra schema with tables': [
        'CREATE SCHEMA more; CREATE TABLE more.t (a serial)',
        'schema more is missing on db1 and is there on db2',
      ],
      'an order of columns': [
        'ALTER TABLE shop.log ADD COLUMN line2 text; UPDATE shop.log SET line2 = line; DROP POLICY own_lines ON shop.log; ALTER TABLE shop.log DROP line; ALTER TABLE shop.log RENAME line2 TO line',
        'columns of table shop.log is line, at on db1; at, line on db2',
        3,
      ],
      'a disabled trigger': [
        'ALTER TABLE shop.customers DISABLE TRIGGER touch',
        /^trigger shop.customers.touch is .* on db1; .*\(disabled\) on db2$/,
      ],
      'a trigger disabled on one partition': [
        'ALTER TABLE shop.events_old DISABLE TRIGGER touch_events',
        /^trigger shop.events_old.touch_events is missing on db1/,
      ],
      'a rule': ['DROP RULE quiet ON shop.log', 'rule shop.log.quiet is missing on db2 and is there on db1'],
      'a policy': [
        'ALTER POLICY own_lines ON shop.log USING (false)',
        /^policy shop.log.own_lines differs in line 1, which is .*EXISTS.* on db1; .*using false/,
      ],
      'row security': [
        'ALTER TABLE shop.log DISABLE ROW LEVEL SECURITY',
        'table shop.log is row security on, owner postgres on db1; owner postgres on db2',
      ],
      'bounds of a partition': [
        `ALTER TABLE shop.events DETACH PARTITION shop.events_old; ALTER TABLE shop.events ATTACH PARTITION shop.events_old FOR VALUES FROM ('1900-01-01') TO ('2024-01-01')`,
        /^table shop.events_old is partition of shop.events FOR VALUES FROM \(MINVALUE\)/,
      ],
      'an inheritance': [
        'ALTER TABLE shop.big_customers NO INHERIT shop.customers',
        /^table shop.big_customers is inherits shop.customers, owner/,
        // Five columns and two constraints are its own then.
        8,
      ],
      'an unlogged table': [
        'ALTER TABLE shop.log SET UNLOGGED',
        /^table shop.log is row security on, owner .*; unlogged, row security on/,
      ],
      'a definition of a view': [
        `CREATE OR REPLACE VIEW shop.open_orders WITH (security_barrier) AS SELECT o.id, o.total FROM shop.orders o WHERE o.state = 'paid'`,
        /^view shop.open_orders differs in line \d+, which is "WHERE .*'new'.*" on db1; "WHERE .*'paid'/,
      ],
      'an option of a view': [
        'ALTER VIEW shop.open_orders RESET (security_barrier)',
        /^view shop.open_orders differs in line 1/,
      ],
      'default rights': [
        'ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT INSERT ON TABLES TO reader',
        /^default rights on tables made by postgres in schema shop is .* on db1/,
      ],
      'an operator': [
        'DROP OPERATOR shop.=== (integer, integer)',
        /^operator shop.===\(integer,integer\) is missing on db2/,
      ],
      'a cast': [
        'DROP CAST (shop.state AS integer)',
        'cast shop.state as integer is missing on db2 and is there on db1',
      ],
      'an event trigger': [
        `CREATE FUNCTION shop.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION shop.on_ddl()`,
        'event trigger watch is missing on db1 and is there on db2',
        2,
      ],
      'an aggregate': [
        `CREATE OR REPLACE AGGREGATE shop.product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '2')`,
        /^aggregate shop.product\(numeric\) differs in line 1/,
      ],
      'a comment': [
        `COMMENT ON TABLE shop.orders IS 'other words'`,
        'comment on table shop.orders is orders on db1; other words on db2',
      ],
      'an option of a table': [
        'ALTER TABLE shop.orders SET (fillfactor = 50)',
        'table shop.orders is owner postgres on db1; with fillfactor=50, owner postgres on db2',
      ],
      'a way of storing a column': [
        'ALTER TABLE shop.log ALTER line SET STORAGE EXTERNAL',
        'column shop.log.line is text on db1; text storage external on db2',
      ],
      'a replica identity': ['ALTER TABLE shop.log REPLICA IDENTITY FULL', /replica identity full/],
      'a column that is no longer inherited alone': [
        'ALTER TABLE shop.big_customers NO INHERIT shop.customers, INHERIT shop.customers',
        /^column shop.big_customers.name is .* inherited on db1; .* on db2$/,
        7,
      ],
      'extended statistics': [
        'DROP STATISTICS shop.related',
        'statistics shop.related is missing on db2 and is there on db1',
      ],
      'a publication': [
        'CREATE PUBLICATION news FOR TABLE shop.orders',
        'publication news is missing on db1 and is there on db2',
      ],
      'a secret of a user mapping, without showing it': [
        `CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR reader SERVER s OPTIONS (password 'x')`,
        'server s is missing on db1 and is there on db2',
        2,
      ],
      'a right on the database': [
        `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO reader', current_database()); END $$`,
        /^rights on database is .* on db1; .*reader: CREATE on db2$/,
      ],
      'a mapping of words': [
        'ALTER TEXT SEARCH CONFIGURATION shop.plain DROP MAPPING FOR email',
        /^text search configuration shop.plain is/,
      ],
    };

  test.for(Object.entries(planted))('%s', async ([, [sql, message, count = 1]]) => {
    const messages = await messagesAfter(sql);
    // Nothing else is said to differ.
    expect(messages).toHaveLength(count);
    expect(messages).toContainEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  });

  test('a missing table is one difference, not one for each of its columns, constraints and rights', async () => {
    expect(await messagesAfter('DROP TABLE shop."Odd ""Name"')).toEqual([
      'table shop."Odd ""Name" is missing on db2 and is there on db1',
    ]);
  });

  test('another column is not reported as other rows besides', async () => {
    const kinds = (await differencesAfter('ALTER TABLE shop.log ADD COLUMN more integer DEFAULT 1')).map(
      ({ kind }) => kind,
    );
    expect(new Set(kinds)).toEqual(new Set(['definition']));
  });

  test('among three members the one that differs is named', async () => {
    const server = members.server(0);
    const copy = await cloneDatabase(server, 'shop');
    await server.query('DELETE FROM shop.log', undefined, copy);
    const same = await fingerprintOf(server, 'shop');
    const found = compareFingerprints(
      new Map([
        ['db1', same],
        ['db2', await fingerprintOf(server, copy)],
        ['db3', same],
      ]),
    );
    expect(found.map(({ message }) => message)).toEqual([
      'table shop.log has 5 rows on db1 and db3; 0 rows on db2',
    ]);
    expect(Object.keys(found[0]?.found ?? {})).toEqual(['db1', 'db2', 'db3']);
  });
});

describe('fingerprint: taking it', () => {
  test('all of it belongs to one moment, and the connection is as before afterwards', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    const connection = await connectMember(server, { database });
    const [[before] = []] = await connection.rows('SHOW search_path');
    let changed = false;
    const progress: FingerprintProgress[] = [];
    const pending: Promise<unknown>[] = [];
    const taken = await takeFingerprint(connection, {
      onProgress: (step) => {
        progress.push(step);
        if (changed) return;
        changed = true;
        pending.push(
          server.query(
            'DELETE FROM shop.orders; DELETE FROM shop.log; DELETE FROM shop.events',
            undefined,
            database,
          ),
        );
      },
    });
    await Promise.all(pending);
    const undisturbed = await fingerprintOf(server, 'shop');
    expect(taken.tables).toEqual(undisturbed.tables);
    expect((await connection.rows('SHOW search_path'))[0]).toEqual([before]);
    expect((await connection.rows('SHOW transaction_read_only'))[0]).toEqual(['off']);
    const last = progress.at(-1);
    expect(last?.tablesDone).toBe(last?.tablesTotal);
    expect(last?.rowsDone).toBe([...taken.tables.values()].reduce((sum, { rows }) => sum + rows, 0n));
  });

  test('rows that a policy would hide are an error, never left out in silence', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query('CREATE ROLE limited LOGIN');
    await server.query(
      'GRANT USAGE ON SCHEMA shop TO limited; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO limited',
      undefined,
      database,
    );
    const connection = await connectMember(server, { database, user: 'limited' });
    await expect(takeFingerprint(connection)).rejects.toThrow(/row-level security|row security/);
  });

  test('a thousand tables and sequences are read', { timeout: 120_000 }, async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'template1');
    await server.query(
      `DO 'BEGIN FOR i IN 1..1000 LOOP EXECUTE format(''CREATE TABLE t%s (a serial)'', i); END LOOP; END'`,
      undefined,
      database,
    );
    const { tables, sequences } = await fingerprintOf(server, database);
    expect(tables.size).toBe(1000);
    expect(sequences.size).toBe(1000);
  });
});

describe('fingerprint: versions', () => {
  const other = otherPostgres();
  const others = other === undefined ? undefined : withServers(1, { database: 'shop', binaries: other });

  test('the same shop on another major version is equal', async (context) => {
    context.skip(others === undefined, 'no PostgreSQL of another version is installed');
    const server = (others as ServersFixture).server(0);
    await server.query(shopRoles);
    await server.query(shopSchema);
    const db1 = await fingerprintOf(members.server(0), 'shop');
    const db2 = await fingerprintOf(server, 'shop');
    expect(db1.major).not.toBe(db2.major);
    expect(
      compareFingerprints(
        new Map([
          ['db1', db1],
          ['db2', db2],
        ]),
      ).map(({ message }) => message),
    ).toEqual([]);

    await server.query(
      `CREATE OR REPLACE VIEW shop.open_orders WITH (security_barrier) AS SELECT o.id, o.total FROM shop.orders o WHERE o.state = 'paid'`,
    );
    await server.query(`UPDATE shop.customers SET born = born + 1 WHERE id = 3`);
    const found = compareFingerprints(
      new Map([
        ['db1', db1],
        ['db2', await fingerprintOf(server, 'shop')],
      ]),
    );
    expect(found.map(({ object }) => object)).toEqual(['view shop.open_orders', 'table shop.customers']);
  });
});
