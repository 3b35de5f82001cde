/** A notice reaches its client when it is raised, as on one server; the result may still be kept back. */

import { expect, test } from 'vitest';
import { frontend } from '../../../src/wire/postgres/index.ts';
import { connect, withNode, withServers } from '../../support/index.ts';
import { describe, ProtocolClient } from '../../support/protocol-client.ts';

const servers = withServers(2);
const node = withNode(servers);

/** Raises a notice, then waits for a lock that somebody else holds, and raises another. */
const raising = `BEGIN
  RAISE NOTICE 'first';
  PERFORM pg_advisory_lock(77);
  PERFORM pg_advisory_unlock(77);
  RAISE NOTICE 'second';
END`;

const statements: Readonly<Record<string, readonly Buffer[]>> = {
  'a block': [frontend.query(`DO $$ ${raising} $$`)],
  'a block in a transaction': [frontend.query('BEGIN'), frontend.query(`DO $$ ${raising} $$`)],
  'a block by the extended protocol': [
    frontend.parse({ query: `DO $$ ${raising} $$` }),
    frontend.bind({ values: [] }),
    frontend.execute(),
    frontend.sync,
  ],
  'a function that writes': [frontend.query('SELECT raises()')],
  'a function that says it does not': [frontend.query('SELECT raises_stable()')],
  'a trigger': [frontend.query('INSERT INTO raised VALUES (1)')],
  'between other statements': [frontend.query(`SELECT 1; DO $$ ${raising} $$; SELECT 2`)],
};

test('notices: what a statement raises is heard before it has ended', { timeout: 120_000 }, async () => {
  const admin = await connect(node.url);
  for (const [name, kind] of [
    ['raises', 'VOLATILE'],
    ['raises_stable', 'STABLE'],
  ])
    await admin.query(
      `CREATE FUNCTION ${name}() RETURNS int LANGUAGE plpgsql ${kind} AS $$ ${raising.replace('END', 'RETURN 1; END')} $$`,
    );
  await admin.query('CREATE TABLE raised (id int)');
  await admin.query(
    `CREATE FUNCTION raise_row() RETURNS trigger LANGUAGE plpgsql AS $$ ${raising.replace('END', 'RETURN new; END')} $$`,
  );
  await admin.query('CREATE TRIGGER r BEFORE INSERT ON raised FOR EACH ROW EXECUTE FUNCTION raise_row()');
  for (const [what, messages] of Object.entries(statements)) {
    // On every member: the statement may run on any.
    const holders = await Promise.all(servers.servers.map(({ url }) => connect(url)));
    for (const holder of holders) await holder.query('SELECT pg_advisory_lock(77)');
    const client = await ProtocolClient.connect(node.url, { deadlineMs: 20_000 });
    client.send(...messages);
    const early = (await client.until('N')).map(describe);
    expect(early.at(-1), what).toBe('N 00000');
    for (const holder of holders) await holder.query('SELECT pg_advisory_unlock(77)');
    await client.until('N');
    await client.until('C');
    client.destroy();
  }
});

test('notices: what COMMIT raises comes behind what the statement has raised', async () => {
  const admin = await connect(node.url);
  await admin.query(`CREATE TABLE told (id int);
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', tg_name; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON told INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE TRIGGER immediate AFTER INSERT ON told FOR EACH ROW EXECUTE FUNCTION tell()`);
  const heard: unknown[] = [];
  admin.on('notice', ({ message }) => heard.push(message));
  for (let n = 0; n < 3; n++) await admin.query('INSERT INTO told VALUES (1)');
  const each = ['immediate', 'deferred'];
  expect(heard).toEqual([...each, ...each, ...each]);
});
