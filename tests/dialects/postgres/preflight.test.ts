import { beforeAll, describe, expect, test } from 'vitest';
import { comparePreflight } from '../../../src/dialects/postgres/compare-preflight.ts';
import { controlFormat, createControlSchema } from '../../../src/dialects/postgres/control-schema.ts';
import type { PreflightReport } from '../../../src/dialects/postgres/preflight.ts';
import { preflightMember } from '../../../src/dialects/postgres/preflight.ts';
import type { CheckItem, PreflightOptions } from '../../../src/dialects/postgres/preflight-check.ts';
import type { PostgresServer } from '../../../src/testing/index.ts';
import type { ServersFixture } from '../../support/index.ts';
import { connect, withServers } from '../../support/index.ts';
import type { MemberConnectionOptions } from './member-connection.ts';
import { cloneDatabase, connectMember, otherPostgres } from './member-connection.ts';
import { shopRoles, shopSchema } from './shop-schema.ts';

const members = withServers(1, { database: 'shop', settings: { max_prepared_transactions: 5 } });

beforeAll(async () => {
  await members.server(0).query(shopRoles);
  await members.server(0).query(shopSchema);
  await members.server(0).query('CREATE ROLE app LOGIN');
});

async function preflight(
  server: PostgresServer,
  where: MemberConnectionOptions,
  options?: PreflightOptions,
): Promise<PreflightReport> {
  const connection = await connectMember(server, where);
  try {
    return await preflightMember(connection, options);
  } finally {
    connection.close();
  }
}

function itemOf(items: readonly CheckItem[], name: string): CheckItem {
  const found = items.find((item) => item.name === name);
  if (found === undefined)
    throw new Error(`there is no item ${name} among ${items.map((item) => item.name).join(', ')}`);
  return found;
}

/** The cure as printed, run as a superuser would paste it, statement by statement. */
async function runCure(server: PostgresServer, cure: string | undefined, database: string): Promise<void> {
  const statements = (cure ?? '')
    .split(/;\s*(?:--[^\n]*)?(?:\n|$)/)
    .filter((statement) => /[a-z]/i.test(statement.replaceAll(/--.*/g, '')));
  expect(statements).not.toEqual([]);
  // ALTER SYSTEM and REINDEX DATABASE do not run together with others.
  for (const statement of statements) await server.query(statement, undefined, database);
}

test('preflight: client roles: who is missing, may too much, or cannot prove a password is named with the cure', async () => {
  const server = members.server(0);
  const clients = [
    { name: 'client_a', kept: true },
    { name: 'client_b', kept: false },
  ];
  const look = async (): Promise<readonly CheckItem[]> => {
    const { items } = await preflight(server, {}, { clients });
    return [itemOf(items, 'client roles'), itemOf(items, 'passwords of clients')];
  };
  const database = server.database;
  const [absent] = await look();
  expect(absent).toMatchObject({ ok: 'fail', found: expect.stringContaining('client_a, client_b') });
  await runCure(server, absent?.cure, database);
  await server.query('ALTER ROLE client_b SUPERUSER');
  const [powerful, none] = await look();
  expect(powerful).toMatchObject({ ok: 'warn', found: expect.stringContaining('superusers: client_b') });
  expect(none).toMatchObject({ ok: 'fail', found: expect.stringContaining('client_a') });
  await runCure(server, powerful?.cure, database);
  await server.query("SET password_encryption = 'md5'; ALTER ROLE client_a PASSWORD 'x'");
  expect(await look()).toMatchObject([{ ok: 'ok' }, { ok: 'fail' }]);
  await runCure(server, (await look())[1]?.cure, database);
  expect(await look()).toMatchObject([{ ok: 'ok' }, { ok: 'ok' }]);
  const [own] = (await preflight(server, {}, { clients: [{ name: server.user, kept: false }] })).items.filter(
    ({ name }) => name === 'client roles',
  );
  expect(own).toMatchObject({ ok: 'warn', cure: expect.stringContaining('CREATE ROLE app LOGIN') });
  await server.query('DROP ROLE client_a, client_b');
});

describe('preflight: rights', () => {
  const version = (server: PostgresServer): string => `PostgreSQL ${server.binaries.version}`;

  test('for a superuser on a sound database nothing fails', async () => {
    const { items } = await preflight(members.server(0), {});
    expect(items.filter(({ ok }) => ok === 'fail')).toEqual([]);
    expect(itemOf(items, 'server version')).toMatchObject({ ok: 'ok', found: version(members.server(0)) });
    // The test servers run without fsync, which is what this is to find.
    expect(items.filter(({ ok }) => ok === 'warn').map(({ name }) => name)).toEqual(['durable settings']);
  });

  test('each failure of an ordinary role is cured by the SQL that is printed, and by nothing more', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query(
      `REVOKE USAGE ON SCHEMA shop FROM PUBLIC; REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC;
       GRANT SELECT ON shop.orders TO app; CREATE TABLE public."Mine; too" (a serial)`,
      undefined,
      database,
    );
    const where = { database, user: 'app' };
    const before = (await preflight(server, where)).items;
    const failed = before.filter(({ ok }) => ok === 'fail').map(({ name }) => name);
    expect(failed).toEqual([
      'rights on the database',
      'rights on schemas',
      'rights on tables',
      'rights on sequences',
      'place for changes',
      'session_replication_role',
      'row security',
    ]);
    expect(itemOf(before, 'session_replication_role').cure).toBe(
      'GRANT SET ON PARAMETER session_replication_role TO "app";',
    );
    expect(itemOf(before, 'rights on tables').cure).toContain(
      'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON TABLE shop.orders TO "app";',
    );
    for (const name of failed) {
      const { cure } = itemOf(before, name);
      await server.query(cure ?? '', undefined, database);
      const after = (await preflight(server, where)).items;
      expect(itemOf(after, name)).toMatchObject({ ok: 'ok' });
    }
    const after = (await preflight(server, where)).items;
    expect(itemOf(after, 'superuser').ok).toBe('warn');
    expect(itemOf(after, 'ownership of tables')).toMatchObject({
      ok: 'warn',
      cure: 'GRANT postgres TO "app";',
    });
    await server.query(
      `ALTER ROLE app NOBYPASSRLS; REVOKE pg_read_all_settings FROM app;
       REVOKE SET ON PARAMETER session_replication_role, session_preload_libraries FROM app`,
    );
    await server.query('DROP OWNED BY app', undefined, database);
  });

  test('with the rights that the check asks for, the control schema can be made and the members read', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query('CREATE ROLE granted LOGIN');
    const where = { database, user: 'granted' };
    for (const { ok, cure } of (await preflight(server, where)).items) {
      if (ok === 'fail') await server.query(cure ?? '', undefined, database);
    }
    const connection = await connectMember(server, where);
    await connection.query(
      `BEGIN; ${createControlSchema({ superuser: false })}; SELECT lockstep.attach(); COMMIT`,
    );
    const { items } = await preflight(server, where);
    expect(items.filter(({ ok }) => ok === 'fail').map(({ name }) => name)).toEqual(['control schema']);
  });
});

describe('preflight: settings', () => {
  test('settings that make commits unsafe are named with their cure', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query(`ALTER ROLE app IN DATABASE ${database} SET synchronous_commit = off`);
    const unsafe = itemOf((await preflight(server, { database, user: 'app' })).items, 'durable settings');
    expect(unsafe.found).toMatch(/fsync is off: .*full_page_writes is off: .*synchronous_commit is off: /);
    expect(unsafe.cure).toContain(
      `ALTER ROLE "app" IN DATABASE "${database}" SET synchronous_commit = 'on';`,
    );
    await runCure(server, unsafe.cure, database);
    const seen = async (): Promise<string> =>
      itemOf((await preflight(server, { database, user: 'app' })).items, 'durable settings').ok;
    await expect.poll(seen, { timeout: 10_000 }).toBe('ok');
    for (const name of ['fsync', 'full_page_writes']) await server.query(`ALTER SYSTEM RESET ${name}`);
    await server.query('SELECT pg_reload_conf()');
  });

  test('settings of the database under which capture would not work fail, and the cure puts them right', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    const wrong = {
      session_replication_role: 'replica',
      standard_conforming_strings: 'off',
      array_nulls: 'off',
      xmloption: 'document',
    };
    for (const [name, value] of Object.entries(wrong))
      await server.query(`ALTER DATABASE ${database} SET ${name} = ${value}`);
    await server.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    const before = (await preflight(server, { database })).items;
    expect(itemOf(before, 'takes writes')).toMatchObject({
      ok: 'fail',
      cure: `ALTER DATABASE "${database}" SET default_transaction_read_only = 'off';`,
    });
    const required = itemOf(before, 'required settings');
    expect(required.ok).toBe('fail');
    for (const name of Object.keys(wrong))
      expect(required.found).toContain(`${name} is ${wrong[name as keyof typeof wrong]}`);
    await runCure(server, itemOf(before, 'takes writes').cure, 'postgres');
    await runCure(server, required.cure, 'postgres');
    const after = (await preflight(server, { database })).items;
    expect(after.filter(({ ok }) => ok === 'fail')).toEqual([]);
  });

  test('too few connections are a warning with the limit that causes it', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query(`ALTER ROLE app CONNECTION LIMIT 10; ALTER DATABASE ${database} CONNECTION LIMIT 20`);
    const find = async (user: string): Promise<CheckItem> =>
      itemOf((await preflight(server, { database, user })).items, 'connections');
    expect(await find('app')).toEqual({
      name: 'connections',
      ok: 'warn',
      found: 'the role may open 10',
      cure: 'ALTER ROLE "app" CONNECTION LIMIT -1;',
    });
    expect(await find('postgres')).toMatchObject({ ok: 'warn', found: 'the database allows 20' });
    await server.query((await find('app')).cure ?? '');
    await server.query((await find('app')).cure ?? '');
    expect((await find('app')).ok).toBe('ok');
  });
});

describe('preflight: contents', () => {
  const cases: Readonly<Record<string, readonly [ok: 'warn' | 'fail', sql: string, found: string]>> = {
    'triggers and rules': [
      'fail',
      `ALTER TABLE shop.customers ENABLE ALWAYS TRIGGER touch; ALTER TABLE shop.events ENABLE REPLICA TRIGGER touch_events; ALTER TABLE shop.log ENABLE ALWAYS RULE quiet;
       CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER "Watch" ON ddl_command_end EXECUTE FUNCTION on_ddl(); ALTER EVENT TRIGGER "Watch" ENABLE ALWAYS`,
      'event trigger "Watch", rule quiet on shop.log, trigger touch on shop.customers',
    ],
    'unlogged tables': ['warn', 'CREATE UNLOGGED TABLE "Cache" (a integer)', 'public."Cache"'],
    'foreign tables': [
      'warn',
      'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE away (a integer) SERVER s',
      'public.away',
    ],
    subscriptions: [
      'warn',
      `CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false, slot_name = NONE)`,
      'feed',
    ],
  };

  test.for(Object.entries(cases))('%s are found; the cure is exact', async ([name, [ok, sql, found]]) => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    const look = async (): Promise<CheckItem> => itemOf((await preflight(server, { database })).items, name);
    expect(await look()).toMatchObject({ ok: 'ok' });
    await server.query(sql, undefined, database);
    const item = await look();
    expect(item.ok).toBe(ok);
    expect(item.found).toContain(found);
    await runCure(server, item.cure, database);
    if (name === 'subscriptions') await server.query('DROP SUBSCRIPTION feed', undefined, database);
    expect(await look()).toMatchObject({ ok: 'ok' });
  });

  test('large objects are found', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query('SELECT lo_create(0), lo_create(0)', undefined, database);
    expect(itemOf((await preflight(server, { database })).items, 'large objects')).toMatchObject({
      ok: 'warn',
      found: '2, which are not carried',
    });
  });

  test('prepared transactions left by another program are found; the cure ends them', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    const other = await connect(server.urlOf(database));
    await other.query(`BEGIN; DELETE FROM shop.events; PREPARE TRANSACTION 'it''s'`);
    await other.end();
    const item = itemOf((await preflight(server, { database })).items, 'prepared transactions');
    expect(item).toMatchObject({ ok: 'warn', cure: `ROLLBACK PREPARED 'it''s'; -- or COMMIT PREPARED` });
    await runCure(server, item.cure, database);
    expect(itemOf((await preflight(server, { database })).items, 'prepared transactions').ok).toBe('ok');
  });

  test('a control schema says whose it is, and a foreign one fails', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    const look = async (options: PreflightOptions): Promise<CheckItem> =>
      itemOf((await preflight(server, { database }, options)).items, 'control schema');
    expect(await look({ clusterId: 'c1' })).toMatchObject({ ok: 'ok', found: 'none yet' });
    await server.query('CREATE SCHEMA lockstep CREATE TABLE songs (title text)', undefined, database);
    expect(await look({})).toMatchObject({
      ok: 'fail',
      cure: 'ALTER SCHEMA lockstep RENAME TO lockstep_before;',
    });
    await server.query((await look({})).cure ?? '', undefined, database);

    await server.query(`BEGIN; ${createControlSchema({ superuser: true })}; COMMIT`, undefined, database);
    expect(await look({})).toMatchObject({ ok: 'fail', found: 'its marks are lost' });
    const marks = (format: number, incomplete: string): string =>
      `DELETE FROM lockstep.member; INSERT INTO lockstep.member (format, cluster_id, member_id, version, active, incomplete) VALUES (${format}, 'c1', 'db1', 1, '{db1}', ${incomplete})`;
    await server.query(marks(controlFormat, 'NULL'), undefined, database);
    expect(await look({ clusterId: 'c1', memberId: 'db1' })).toMatchObject({
      ok: 'ok',
      found: 'member db1 of cluster c1',
    });
    expect(await look({ clusterId: 'c2', memberId: 'db1' })).toMatchObject({
      ok: 'fail',
      found: 'member db1 of cluster c1, which is not this cluster (c2)',
    });
    expect(await look({ clusterId: 'c1', memberId: 'db2' })).toMatchObject({
      ok: 'fail',
      found: 'member db1 of cluster c1, and not db2',
    });
    await server.query(marks(controlFormat, `'diff from db2'`), undefined, database);
    expect(await look({})).toMatchObject({
      ok: 'warn',
      found: expect.stringContaining('diff from db2') as string,
    });
    await server.query(marks(controlFormat + 1, 'NULL'), undefined, database);
    expect(await look({})).toMatchObject({
      ok: 'fail',
      found: expect.stringContaining(`in format ${controlFormat + 1}`) as string,
    });
    await server.query('CREATE ROLE visitor LOGIN');
    expect(
      itemOf((await preflight(server, { database, user: 'visitor' })).items, 'control schema'),
    ).toMatchObject({ ok: 'fail', found: 'belongs to role postgres' });
  });
});

describe('preflight: looking', () => {
  test('it changes nothing, on the connection or in the database', async () => {
    const server = members.server(0);
    const connection = await connectMember(server);
    const settings = "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1";
    const before = await connection.rows(settings);
    await preflightMember(connection);
    expect(await connection.rows(settings)).toEqual(before);
    expect(await connection.rows('SELECT pg_current_xact_id_if_assigned()')).toEqual([[null]]);
    expect(await connection.rows('SELECT pg_is_in_recovery()')).toEqual([['f']]);
  });

  test('a connection that is lost on the way is an error, not a list of findings', async () => {
    const connection = await connectMember(members.server(0));
    await members.server(0).query(`SELECT pg_terminate_backend(${connection.pid})`);
    await expect(preflightMember(connection)).rejects.toMatchObject({ blame: 'gone' });
  });
});

describe('preflight: members together', () => {
  async function compared(reports: Readonly<Record<string, PreflightReport>>): Promise<readonly CheckItem[]> {
    return comparePreflight(new Map(Object.entries(reports)));
  }

  test('members that are alike pass, and one database given twice does not', async () => {
    const server = members.server(0);
    const db1 = await preflight(server, { database: 'shop' });
    const db2 = await preflight(server, { database: await cloneDatabase(server, 'shop') });
    expect((await compared({ db1, db2 })).filter(({ ok }) => ok !== 'ok')).toEqual([]);
    const twice = await compared({ db1, db2, db3: db1 });
    expect(itemOf(twice, 'separate databases')).toMatchObject({
      ok: 'fail',
      found: 'db1 and db3 are one and the same',
    });
  });

  test('encoding and collation must be equal; the cure makes the database as the others are', async () => {
    const server = members.server(0);
    await server.query(
      `CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    await server.query(
      `CREATE DATABASE other TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'POSIX'`,
    );
    const db1 = await preflight(server, { database: 'shop' });
    const db2 = await preflight(server, { database: await cloneDatabase(server, 'shop') });
    const found = await compared({
      db1,
      db2,
      db3: await preflight(server, { database: 'latin' }),
    });
    expect(itemOf(found, 'encodings')).toMatchObject({
      ok: 'fail',
      found: 'UTF8 on db1, db2; LATIN1 on db3',
    });
    const { cure = '' } = itemOf(found, 'encodings');
    expect(cure).toContain('-- on db3, and load its data anew:');
    await server.query('DROP DATABASE latin');
    await server.query(cure);
    const cured = await compared({ db1, db2, db3: await preflight(server, { database: 'latin' }) });
    expect(itemOf(cured, 'encodings').ok).toBe('ok');
    expect(itemOf(cured, 'collations').ok).toBe('ok');
  });

  test('the cure of another collation makes the database as the others are', async (context) => {
    const server = members.server(0);
    const [[icu] = []] = await server.query(`SELECT count(*) FROM pg_collation WHERE collprovider = 'i'`);
    context.skip(icu === '0', 'this PostgreSQL was built without ICU');
    await server.query(
      `CREATE DATABASE "Sorted" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de' LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    const db1 = await preflight(server, { database: 'Sorted' });
    const db2 = await preflight(server, { database: 'shop' });
    const { cure = '', ...item } = itemOf(await compared({ db1, db2 }), 'collations');
    expect(item).toMatchObject({
      ok: 'fail',
      found: expect.stringContaining(`LOCALE_PROVIDER icu ICU_LOCALE 'de' on db1; `) as string,
    });
    const copy = cure.replace('"shop"', '"Sorted copy"');
    await server.query(copy);
    const cured = await compared({ db1, db2: await preflight(server, { database: 'Sorted copy' }) });
    expect(itemOf(cured, 'collations').ok).toBe('ok');
  });

  test('what the operating system and the build bring is compared', async () => {
    const db1 = await preflight(members.server(0), { database: 'shop' });
    if (db1.traits === undefined) throw new Error('the traits could not be read');
    const db2 = {
      ...db1,
      traits: { ...db1.traits, identity: 'another', collationVersion: '2.99', build: 'block_size 16384' },
    };
    const found = await compared({ db1, db2 });
    expect(itemOf(found, 'collation versions')).toMatchObject({
      ok: 'warn',
      found: expect.stringContaining('2.99 on db2') as string,
    });
    expect(itemOf(found, 'build limits')).toMatchObject({
      ok: 'warn',
      found: expect.stringContaining('block_size 16384 on db2') as string,
    });
  });

  test('settings that change answers are compared; the cure makes them equal', async () => {
    const server = members.server(0);
    const database = await cloneDatabase(server, 'shop');
    await server.query(
      `ALTER DATABASE ${database} SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE ${database} SET search_path = shop`,
    );
    const db1 = await preflight(server, { database: 'shop' });
    const differing = itemOf(await compared({ db1, db2: await preflight(server, { database }) }), 'settings');
    expect(differing.ok).toBe('warn');
    expect(differing.found).toContain('TimeZone is ');
    expect(differing.found).toContain('search_path is "$user", public on db1; shop on db2');
    await runCure(server, differing.cure, database);
    expect(itemOf(await compared({ db1, db2: await preflight(server, { database }) }), 'settings')).toEqual({
      name: 'settings',
      ok: 'ok',
      found: 'equal',
    });
  });

  test('an extension that one member lacks fails', async () => {
    const server = members.server(0);
    const db1 = await preflight(server, { database: 'shop' });
    const database = await cloneDatabase(server, 'shop');
    await server.query('DROP EXTENSION plpgsql CASCADE', undefined, database);
    const report = await preflight(server, { database });
    expect(itemOf(report.items, 'rights on the database')).toMatchObject({
      ok: 'fail',
      cure: 'CREATE EXTENSION plpgsql;',
    });
    const found = itemOf(await compared({ db1, db2: report }), 'extensions');
    expect(found).toMatchObject({ ok: 'fail', found: 'plpgsql is 1.0 on db1; missing on db2' });
    await runCure(server, found.cure, database);
    expect(itemOf(await compared({ db1, db2: await preflight(server, { database }) }), 'extensions').ok).toBe(
      'ok',
    );
  });
});

describe('preflight: another version', () => {
  const other = otherPostgres();
  const others = other === undefined ? undefined : withServers(1, { database: 'shop', binaries: other });

  test('members of different versions are told what that means, and roles that one lacks are named', async (context) => {
    context.skip(others === undefined, 'no PostgreSQL of another version is installed');
    const server = (others as ServersFixture).server(0);
    await server.query('CREATE ROLE only_here CREATEDB');
    const db1 = await preflight(members.server(0), { database: 'shop' });
    const db2 = await preflight(server, { database: 'shop' });
    expect(db2.items.filter(({ ok }) => ok === 'fail')).toEqual([]);
    const found = comparePreflight(
      new Map([
        ['db1', db1],
        ['db2', db2],
      ]),
    );
    expect(itemOf(found, 'server versions')).toMatchObject({
      ok: 'warn',
      found: expect.stringContaining(' on db2') as string,
    });
    expect(itemOf(found, 'separate databases').ok).toBe('ok');
    expect(itemOf(found, 'encodings').ok).toBe('ok');
    const roles = itemOf(found, 'roles');
    expect(roles.cure).toContain(
      '-- on db1:\nCREATE ROLE "only_here" NOLOGIN NOSUPERUSER INHERIT NOBYPASSRLS NOCREATEROLE CREATEDB;',
    );
    await runCure(members.server(0), roles.cure?.match(/-- on db1:\n.*/)?.[0], 'postgres');
    const cured = itemOf(
      comparePreflight(
        new Map([
          ['db1', await preflight(members.server(0), { database: 'shop' })],
          ['db2', db2],
        ]),
      ),
      'roles',
    );
    expect(cured.found).not.toContain('only_here');
  });
});
