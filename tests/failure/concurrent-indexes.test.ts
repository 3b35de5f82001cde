/** Whoever makes or rebuilds an index CONCURRENTLY dies on the way: nothing unfinished is left on any member. */

import type { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { compareMembers } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster, patientProbe } from './fresh-cluster.ts';
import type { TestMember } from './fresh-cluster.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const config = { sync: { automatic: true, retryMaxMs: 1000 }, probe: patientProbe };
const schema = `create schema app; create table app.shop (id int primary key, name text); insert into app.shop select i, 'n' || i from generate_series(1, 500) i;
  create table other (id int primary key)`;

/** What holds such a statement up on one member, and what is there of its index meanwhile. */
const steps = {
  'before it is built': {
    hold: 'begin; update app.shop set name = name where id = 1',
    state: 'not i.indisready',
  },
  'before it is valid': {
    hold: 'begin isolation level repeatable read; select from other',
    state: 'i.indisready and not i.indisvalid',
  },
  'before the old one is gone': {
    hold: 'begin; select from app.shop limit 1',
    state: `not i.indisvalid and i.indexrelid::regclass::text like '%ccold%'`,
  },
} as const;

type Step = keyof typeof steps;

const unfinished = 'select indexrelid::regclass::text from pg_index where not indisvalid or not indisready';

/** Returns how to let it go on. */
async function holdUp({ server }: TestMember, step: Step): Promise<() => Promise<void>> {
  const holder = await connect(server.urlOf(cluster.database));
  await holder.query(`set lockstep.guard = off; ${steps[step].hold}`);
  return () => holder.end().catch(() => undefined);
}

const untilHeldUp = ({ ask, id }: TestMember, step: Step): Promise<unknown> =>
  waitFor(async () => (await ask(`select from pg_index i where ${steps[step].state}`)).length > 0, {
    what: `an index of ${id} ${step}`,
  });

async function nothingIsLeft(): Promise<void> {
  for (const { id } of cluster.members) await cluster.untilActive(id);
  for (const { ask, id } of cluster.members)
    await waitFor(async () => (await ask(unfinished)).length === 0, { what: `nothing unfinished on ${id}` });
  const differences = await compareMembers(
    Object.fromEntries(cluster.members.map(({ id, ask }) => [id, ask])),
  );
  expect(differences).toEqual([]);
}

/** Of a client's statement, that it has ended. */
const ended = (statement: Promise<unknown>): Promise<unknown> => statement.catch((error: unknown) => error);

const backendOf = `select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%index%concurrently%' and pid <> pg_backend_pid() and datname = current_database()`;

describe.each(Object.keys(steps) as Step[])('reindex concurrently: cut short %s', (step) => {
  async function begin(
    held: TestMember,
  ): Promise<{ client: Client; done: Promise<unknown>; letGo: () => Promise<void> }> {
    const client = await connect(cluster.url);
    await client.query('set search_path = app');
    const letGo = await holdUp(held, step);
    const done = ended(client.query('reindex index concurrently shop_pkey'));
    await untilHeldUp(held, step);
    return { client, done, letGo };
  }

  test('reindex concurrently: on the primary, by the client, by whoever ends its connection, and by the death of the server', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const primary = await cluster.primary();
    const cancelled = await begin(primary);
    await primary.ask(backendOf.replace('terminate', 'cancel'));
    expect(await cancelled.done).toMatchObject({ code: '57014' });
    await cancelled.letGo();
    await nothingIsLeft();
    const terminated = await begin(primary);
    await primary.ask(backendOf);
    expect(await terminated.done).toBeInstanceOf(Error);
    await terminated.letGo();
    await nothingIsLeft();
    const killed = await begin(primary);
    await primary.server.kill9();
    expect(await killed.done).toBeInstanceOf(Error);
    await killed.letGo();
    await cluster.untilInactive(primary.id);
    await primary.server.start();
    await nothingIsLeft();
  });

  test('reindex concurrently: on a replica, whose connection is ended, and which is killed', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNode();
    const [replica] = (await cluster.replicas()) as [TestMember];
    const terminated = await begin(replica);
    await terminated.done;
    await replica.ask(backendOf);
    await terminated.letGo();
    await nothingIsLeft();
    const killed = await begin(replica);
    await replica.server.kill9();
    await killed.letGo();
    await cluster.untilInactive(replica.id);
    await replica.server.start();
    await nothingIsLeft();
  });

  test('reindex concurrently: the node is killed, and what it had begun goes on without it or is cleared up by the next', async () => {
    cluster = await FreshCluster.prepare(fixture.servers, { config, schema });
    await cluster.startNodeProcess();
    const [primary] = cluster.members as [TestMember];
    const begun = await begin(primary);
    await cluster.killNode();
    expect(await begun.done).toBeInstanceOf(Error);
    await primary.ask(backendOf);
    await begun.letGo();
    await cluster.startNode();
    await nothingIsLeft();
  });
});
