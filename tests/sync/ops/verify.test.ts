/** Members are proven equal, or found to differ, through the program itself, while clients write. */

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { VerifyReport } from '../../../src/admin/index.ts';
import { pause, systemClock } from '../../../src/base/index.ts';
import { CommitBoundary } from '../../../src/cluster/commits/commit-boundary.ts';
import { FreshCluster, patientProbe } from '../../failure/fresh-cluster.ts';
import type { TestMember } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { judge } from '../../failure/scenario.ts';
import { connect, waitFor, withServers } from '../../support/index.ts';
import { lockstep as run } from './lockstep-program.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const lockstep = (...words: readonly string[]) => run(cluster, ...words);

async function verify(...words: readonly string[]): Promise<{ status: number; report: VerifyReport }> {
  const { status, stdout } = await lockstep('verify', '--json', ...words);
  return { status, report: JSON.parse(stdout) as VerifyReport };
}

/** As somebody who knows how to get around Lockstep. */
async function tamper({ ask }: TestMember, sql: string): Promise<void> {
  await ask(`begin; set local session_replication_role = replica; ${sql}; commit`);
}

/** Makes tables and empties, changes and drops them, until it is stopped. */
async function changeTables(url: string): Promise<{ readonly changes: number; stop(): Promise<void> }> {
  const client = await connect(url);
  let changes = 0;
  const end = new AbortController();
  const work = async (): Promise<void> => {
    await client.query(`create type mood as enum ('good', 'bad')`);
    for (let round = 0; !end.signal.aborted; round++) {
      await client.query(`create table restless (id int primary key, m mood, note text)`);
      await client.query(`insert into restless select n, 'good', n::text from generate_series(1, 200) n`);
      await client.query(`alter type mood rename value 'good' to 'fine'`);
      await client.query(`alter table restless add column more int default 5`);
      await client.query(`alter table restless alter column note type varchar(20)`);
      await client.query(round % 2 === 0 ? 'truncate restless' : `update restless set more = id`);
      await client.query(`alter type mood rename value 'fine' to 'good'`);
      await client.query('drop table restless');
      changes += 8;
      await pause(systemClock, 200, end.signal);
    }
  };
  const working = work();
  return {
    get changes() {
      return changes;
    },
    stop: async () => {
      end.abort();
      await working;
      await client.query('drop type mood');
    },
  };
}

const states = async () => (await cluster.status()).members.map(({ id, state }) => `${id} ${state}`);
const automatic = { config: { sync: { automatic: true }, probe: patientProbe } };
const patient = { config: { probe: patientProbe } };
/** One by the schedule, after one that was not to the end, would be in the way of those that are asked for. */
const unscheduled = { config: { probe: patientProbe, verification: { everyMinutes: 0 } } };

describe('ops: verify', () => {
  /** `VERIFICATIONS=300` for the long proof that there is no false alarm. */
  const rounds = Number(process.env['VERIFICATIONS'] ?? 3);

  test(
    'ops: equal members are equal, again and again, while clients write and change tables, and notice nothing',
    async () => {
      cluster = await FreshCluster.start(fixture.servers, unscheduled);
      const load = await new Load(cluster.url, { clients: 6 }).start();
      const restless = await changeTables(cluster.url);
      await load.more(60);
      load.watchPauses();
      const held: number[] = [];
      const outcomes = { equal: 0, unchecked: 0 };
      for (let round = 0; round < rounds; round++) {
        const { status, report } = await verify();
        // A table that is never left alone may be put off; nobody is ever accused.
        expect([status, report]).toMatchObject([
          report.outcome === 'unchecked' ? 6 : 0,
          { outcome: /^(equal|unchecked)$/.exec(report.outcome)?.[0], differences: [], settled: [] },
        ]);
        outcomes[report.outcome as keyof typeof outcomes] += 1;
        held.push(report.heldMs);
        await load.more(10);
      }
      await restless.stop();
      // Left alone, nothing keeps it from being found out.
      expect(await verify()).toMatchObject({ status: 0, report: { outcome: 'equal' } });
      await load.stop();
      held.sort((one, other) => one - other);
      process.stderr.write(
        `${rounds} verifications under load: ${JSON.stringify(outcomes)}, commits held ${held[Math.floor(rounds / 2)]} ms (median), ${held.at(-1)} ms at most; ` +
          `longest pause of a client ${load.longestMs} ms, ${load.done} operations, ${restless.changes} changes of tables\n`,
      );
      expect(load.errors).toEqual([]);
      expect(await states()).toEqual(['db1 active', 'db2 active', 'db3 active']);
      await judge(cluster, load, []);
    },
    60_000 + rounds * 10_000,
  );

  test('ops: that proof convicts a verification that takes its snapshots without holding commits', async () => {
    const hold = vi.spyOn(CommitBoundary.prototype, 'hold').mockImplementation(async (_, work) => {
      return await work(Number.MAX_SAFE_INTEGER, () => 0);
    });
    cluster = await FreshCluster.start(fixture.servers, patient);
    const load = await new Load(cluster.url, { clients: 8 }).start();
    try {
      await waitFor(
        async () =>
          (await verify()).report.outcome !== 'equal' || (await states()).join().includes('inactive'),
        { what: 'a false alarm', timeoutMs: 60_000 },
      );
    } finally {
      hold.mockRestore();
      await load.stop();
    }
  });

  test('ops: one of three that differs is named with its rows, taken out, and heals by itself', async () => {
    cluster = await FreshCluster.start(fixture.servers, automatic);
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await load.more(40);
    await tamper(cluster.member('db3'), 'update counters set value = value + 1 where client = 40');
    const { status, report } = await verify();
    expect([status, report]).toMatchObject([5, { outcome: 'differs', reason: null }]);
    expect(report.differences).toMatchObject([
      {
        member: 'db3',
        schema: [],
        sequences: [],
        tables: [{ table: 'public.counters', missing: 1, extra: 1 }],
      },
    ]);
    expect(report.differences[0]?.tables[0]?.samples).toHaveLength(2);
    await cluster.untilActive('db3');
    await load.more(40);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  test('ops: where all agree against the primary nobody is deposed and nothing removed; clients read what the primary has', async () => {
    cluster = await FreshCluster.start(fixture.servers, automatic);
    const { primary } = await cluster.status();
    await cluster
      .member(primary ?? '')
      .ask('begin; set local lockstep.guard = off; insert into counters values (999, 1); commit');
    const there = 'select count(*) from counters where client = 999';
    await waitFor(async () => (await cluster.status()).verification.contest !== null, {
      what: 'the contest to be found by itself',
      timeoutMs: 30_000,
    });
    const { status, report } = await verify();
    expect([status, report]).toMatchObject([
      5,
      {
        differences: [],
        contested: [
          { member: 'db2', tables: [{ table: 'public.counters', missing: 1, extra: 0 }] },
          { member: 'db3', tables: [{ table: 'public.counters', missing: 1, extra: 0 }] },
        ],
      },
    ]);
    expect(await states()).toEqual(['db1 active', 'db2 active', 'db3 active']);
    expect((await cluster.status()).primary).toBe(primary);
    for (let session = 0; session < 6; session++) {
      const client = await connect(cluster.url);
      expect((await client.query(there)).rows).toEqual([{ count: '1' }]);
    }
    const shown = (await lockstep('status')).stdout;
    expect(shown).toContain('primary db1 differs from db2, db3, and no other member agrees with it.');
    expect(shown).toContain('  db2: rows of public.counters: 1 missing (lacks (999,1))');
    expect(shown).toContain('  db1 is right: lockstep repair db2, then lockstep repair db3\n');
    expect(shown).toContain('  db2 is right: lockstep switch-primary db2, then lockstep repair db1');
    expect((await lockstep('verify', '--last')).stdout).toContain('    db2  (not there)\n');
    // A restart does not make anybody forget it.
    await cluster.stopNode();
    await cluster.startNode();
    expect((await cluster.status()).verification.contest).toMatchObject({ members: ['db2', 'db3'] });
    for (const id of ['db2', 'db3'])
      expect((await lockstep('repair', id)).stdout).toContain(`Member ${id} is active.`);
    expect((await cluster.status()).verification.contest).toBeNull();
    for (const { ask } of cluster.members) expect(await ask(there)).toEqual([['1']]);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  test('ops: a person may say that the replicas are right: what only the primary had is kept in a file', async () => {
    cluster = await FreshCluster.start(fixture.servers, patient);
    await tamper(cluster.member('db1'), 'delete from counters where client = 3');
    expect((await verify()).report).toMatchObject({
      differences: [],
      contested: [{ member: 'db2' }, { member: 'db3' }],
    });
    await lockstep('switch-primary', 'db2');
    expect((await cluster.status()).verification.contest).toMatchObject({ primary: 'db2', members: ['db1'] });
    expect((await lockstep('repair', 'db1')).stdout).toContain('Member db1 is active.');
    expect((await cluster.status()).verification.contest).toBeNull();
    expect(await cluster.member('db1').ask('select value from counters where client = 3')).toHaveLength(1);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  test('ops: of two that differ nobody is taken out, and the replica is repaired on a word', async () => {
    cluster = await FreshCluster.start(fixture.servers.slice(0, 2), patient);
    await tamper(cluster.member('db2'), 'insert into counters values (999, 1)');
    const text = await lockstep('verify', '--tables', 'counters,accounts');
    expect(text.status).toBe(5);
    expect(text.stdout).toMatch(/^Different: db2, of db1, db2: 2 tables, /);
    expect(text.stdout).toContain('public.counters: 1 row too many\n    - (999,1)\n');
    expect(await states()).toEqual(['db1 active', 'db2 active']);
    const shown = await lockstep('status');
    expect(shown.stdout).toMatch(/verified \S+ ago: members differed.*\n {2}different: public\.counters\n/);
    expect(await lockstep('doctor')).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('if db1 is right: lockstep repair db2; if db2 is right'),
    });
    expect((await lockstep('repair', '--dry-run', 'db2')).stdout).toContain(
      'public.counters: 1 row to take out',
    );
    const repaired = await lockstep('repair', 'db2');
    expect(repaired).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^Member db2 is active\. .* by diff from db1: its rows were found to differ/,
      ),
    });
    expect(await cluster.member('db2').ask('select count(*) from counters where client = 999')).toEqual([
      ['0'],
    ]);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  test('ops: what was found to differ does not come back by what it missed, also after a restart', async () => {
    cluster = await FreshCluster.start(fixture.servers, patient);
    await tamper(cluster.member('db2'), 'update accounts set balance = 0 where id = 9');
    expect(await verify()).toMatchObject({ status: 5 });
    expect(await states()).toEqual(['db1 active', 'db2 inactive', 'db3 active']);
    await cluster.stopNode();
    await cluster.startNode();
    expect((await lockstep('member', 'activate', 'db2')).stdout).toContain('by diff from db3');
    expect(await cluster.member('db2').ask('select balance from accounts where id = 9')).toEqual([['1000']]);
  });

  test('ops: a table that a replica does not watch is found, and watched again; nobody is taken out', async () => {
    cluster = await FreshCluster.start(fixture.servers.slice(0, 2), patient);
    const load = await new Load(cluster.url, { clients: 4 }).start();
    await tamper(cluster.member('db2'), `drop trigger "!lockstep_capture" on accounts`);
    const { status, report } = await verify();
    expect([status, report]).toMatchObject([
      5,
      {
        differences: [],
        settled: [{ member: 'db2', text: expect.stringContaining('public.accounts is not watched') }],
      },
    ]);
    expect(await verify()).toMatchObject({ status: 0 });
    await load.more(20);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  });

  test('ops: a table that no member watches is watched again, and what clients wrote to it is nowhere lost', async () => {
    cluster = await FreshCluster.start(fixture.servers, automatic);
    for (const member of cluster.members) await tamper(member, `alter table counters disable trigger all`);
    const client = await connect(cluster.url);
    await client.query('update counters set value = 77 where client = 5');
    expect(await cluster.member('db3').ask('select value from counters where client = 5')).toEqual([['0']]);
    const { status, report } = await verify();
    expect([status, report.differences.map(({ member }) => member)]).toEqual([5, ['db2', 'db3']]);
    expect(report.settled.map(({ member }) => member)).toEqual(['db1', 'db2', 'db3']);
    for (const id of ['db2', 'db3']) await cluster.untilActive(id);
    await client.query('update counters set value = 78 where client = 6');
    for (const { ask } of cluster.members)
      expect(await ask('select value from counters where client in (5, 6) order by 1')).toEqual([
        ['77'],
        ['78'],
      ]);
    expect(await verify()).toMatchObject({ status: 0 });
  });

  test('ops: the last verification is shown with the rows side by side, also after a restart', async () => {
    cluster = await FreshCluster.start(fixture.servers.slice(0, 2), patient);
    expect(await lockstep('verify', '--last')).toMatchObject({
      status: 6,
      stdout: 'There was no verification yet.\n',
    });
    await tamper(
      cluster.member('db2'),
      'update accounts set balance = 7 where id = 5; delete from accounts where id = 6',
    );
    await verify();
    const shown = await lockstep('verify', '--last');
    expect(shown.status).toBe(5);
    expect(shown.stdout).toContain('public.accounts: id=5\n    db1  balance=1000\n    db2  balance=7\n');
    expect(shown.stdout).toContain(
      'public.accounts: id=6\n    db1  id=6 balance=1000\n    db2  (not there)\n',
    );
    const { stdout } = await lockstep('verify', '--last', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'differs',
      members: ['db1', 'db2'],
      tables: expect.arrayContaining([
        {
          table: 'public.accounts',
          rows: 100,
          outcome: 'differs',
          members: { db1: 'equal', db2: 'differs' },
          differences: [
            {
              key: { id: '5' },
              columns: ['balance'],
              values: { db1: { id: '5', balance: '1000' }, db2: { id: '5', balance: '7' } },
            },
            {
              key: { id: '6' },
              columns: ['id', 'balance'],
              values: { db1: { id: '6', balance: '1000' }, db2: null },
            },
          ],
        },
        {
          table: 'public.entries',
          rows: 0,
          outcome: 'equal',
          members: { db1: 'equal', db2: 'equal' },
          differences: [],
        },
      ]),
    });
    await cluster.stopNode();
    await cluster.startNode();
    expect((await lockstep('verify', '--last', '--json')).stdout).toBe(stdout);
    expect((await cluster.status()).verification).toMatchObject({ outcome: 'differs' });
  });

  test('ops: with one active member nothing can be found out; with a wrong name nothing is tried', async () => {
    cluster = await FreshCluster.start(fixture.servers.slice(0, 2), patient);
    const wrong = await lockstep('verify', '--tables', 'no_such_table');
    expect([wrong.status, wrong.stderr]).toEqual([
      6,
      expect.stringContaining('there is no table no_such_table'),
    ]);
    await lockstep('member', 'deactivate', 'db2');
    const alone = await lockstep('verify');
    expect([alone.status, alone.stdout]).toEqual([6, 'Not checked: only db1 is active\n']);
    expect((await cluster.status()).verification).toMatchObject({
      outcome: 'unchecked',
      reason: 'only db1 is active',
    });
  });

  test('ops: it is made by the schedule as well, and the status tells when', async () => {
    cluster = await FreshCluster.start(fixture.servers.slice(0, 2), {
      config: { verification: { everyMinutes: 60 } },
    });
    const { at, nextAt } = (await cluster.status()).verification;
    const inMs = Date.parse(nextAt ?? '') - Date.now();
    expect([at, inMs > 55 * 60_000, inMs <= 60 * 60_000]).toEqual([null, true, true]);
    expect((await lockstep('status')).stdout).toMatch(/\nnot yet verified; the next in (1h|59m( \d+s)?)\n$/);
  });
});
