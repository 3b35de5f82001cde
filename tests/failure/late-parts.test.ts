/** The primary, or the node, is killed while COMMIT itself still writes, or before the node has read what it wrote. */

import { afterEach, expect, test } from 'vitest';
import type { PostgresServer } from '../../src/testing/index.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { FreshCluster, patientProbe } from './fresh-cluster.ts';
import { Load } from './load.ts';
import { judge } from './scenario.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(async () => {
  await cluster.stop();
  const { server } = cluster.member('db1');
  if (!server.running) await server.start();
  await holdCommits(server, false);
});

const notes = 5;
/** Held by somebody, it keeps COMMIT between two rows of the cursor. */
const gate = 4711;
const schema = `
  CREATE TABLE notes (what text);
  CREATE FUNCTION note(what text, i int) RETURNS int LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO notes VALUES (what || i); IF i = 3 THEN PERFORM pg_advisory_xact_lock(${gate}); END IF; RETURN i; END $$`;

async function holdCommits(server: PostgresServer, hold: boolean): Promise<void> {
  await server.query(
    `alter system ${hold ? `set synchronous_standby_names = 'nobody'` : 'reset synchronous_standby_names'}`,
  );
  await server.query('select pg_reload_conf()');
  const shown = hold ? 'nobody' : '';
  await waitFor(async () => (await server.query('show synchronous_standby_names'))[0]?.[0] === shown, {
    what: 'the setting',
  });
}

async function untilWaiting(server: PostgresServer, event: string, who = 'the client'): Promise<void> {
  const sql = `select from pg_stat_activity where wait_event = '${event}' and application_name = '${who}'`;
  await waitFor(async () => (await server.query(sql)).length > 0, { what: `${who} to wait for ${event}` });
}

/** Brings COMMIT to an instant; what is returned lets it go on, where it still can. */
interface Instant {
  readonly title: string;
  readonly bring: (server: PostgresServer, commit: () => void) => Promise<() => Promise<void>>;
}

const instants: readonly Instant[] = [
  {
    title: 'between two changes that COMMIT itself makes',
    bring: async (server, commit) => {
      const holder = await connect(server.urlOf(cluster.database));
      await holder.query(`select pg_advisory_lock(${gate})`);
      commit();
      await untilWaiting(server, 'advisory');
      return async () => void (await holder.query('select pg_advisory_unlock_all()').catch(() => undefined));
    },
  },
  {
    title: 'between the last of them and the end of COMMIT',
    bring: async (server, commit) => {
      await holdCommits(server, true);
      commit();
      await untilWaiting(server, 'SyncRep');
      return () => holdCommits(server, false);
    },
  },
  {
    title: 'behind the end of COMMIT, while the node reads what it has written',
    bring: async (server, commit) => {
      await holdCommits(server, true);
      commit();
      await untilWaiting(server, 'SyncRep');
      const holder = await connect(server.urlOf(cluster.database), { application_name: 'the holder' });
      await holder.query('begin');
      // Behind the COMMIT, whose lock on the log goes with it; the node comes behind this one.
      const locked = holder.query('lock table lockstep.log in access exclusive mode');
      await untilWaiting(server, 'relation', 'the holder');
      await holdCommits(server, false);
      await locked;
      await untilWaiting(server, 'relation', 'lockstep');
      return async () => void (await holder.query('rollback').catch(() => undefined));
    },
  },
];

interface Transaction {
  readonly load: Load;
  readonly commit: () => void;
  /** The error, or nothing. */
  readonly ended: () => Promise<unknown>;
}

async function open(): Promise<Transaction> {
  const load = new Load(cluster.url, { clients: 0 });
  const client = await connect(cluster.url, { application_name: 'the client' });
  await client.query(schema);
  await client.query('begin');
  await client.query(`insert into entries (key) values ('mine')`);
  await client.query(
    `declare held no scroll cursor with hold for select note('mine', i) from generate_series(1, ${notes}) i`,
  );
  load.ledger.begin('mine');
  let answer: Promise<unknown> = Promise.resolve();
  return {
    load,
    commit: () => {
      answer = client.query('commit').then(
        () => undefined,
        (error: unknown) => error,
      );
    },
    ended: async () => {
      const error = await answer;
      if (error === undefined) load.ledger.acknowledged('mine');
      else load.ledger.unknown('mine');
      return error;
    },
  };
}

/** Of one transaction there is all that it has written, or nothing: on each member that counts. */
async function expectWhole(): Promise<void> {
  const { members } = await cluster.status();
  for (const { id, active } of members) {
    if (!active) continue;
    const { ask } = cluster.member(id);
    const entries = (await ask(`select from entries where key = 'mine'`)).length;
    const written = (await ask('select what from notes order by what')).flat();
    expect({ id, entries, written }).toEqual({
      id,
      entries,
      written: entries === 0 ? [] : ['mine1', 'mine2', 'mine3', 'mine4', 'mine5'],
    });
    expect(entries).toBeLessThanOrEqual(1);
  }
}

test.each(instants)('commit: the primary is killed $title', { timeout: 120_000 }, async ({ bring }) => {
  cluster = await FreshCluster.start(fixture.servers, { config: { probe: patientProbe } });
  const { load, commit, ended } = await open();
  const { server } = cluster.member('db1');
  await bring(server, commit);
  await server.kill9();
  await ended();
  const other = await connect(cluster.url);
  await other.query(`insert into counters values (100, 1)`);
  await judge(cluster, load, ['db1']);
  await expectWhole();
});

test.each(instants)('commit: the node is killed $title', { timeout: 120_000 }, async ({ bring }) => {
  cluster = await FreshCluster.prepare(fixture.servers, { config: { probe: patientProbe } });
  await cluster.startNodeProcess();
  const { load, commit, ended } = await open();
  const { server } = cluster.member('db1');
  const goOn = await bring(server, commit);
  await cluster.killNode();
  expect(await ended()).toBeInstanceOf(Error);
  await goOn();
  await cluster.stopNode();
  await cluster.startNode();
  await judge(cluster, load, []);
  await expectWhole();
});
