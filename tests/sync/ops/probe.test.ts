/** What is asked of members at each probe, besides whether they can commit. */

import { afterEach, describe, expect, test } from 'vitest';
import { judgeVitals } from '../../../src/cluster/membership/vitals.ts';
import { FreshCluster, patientProbe } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { connect } from '../../support/connect.ts';
import { waitFor, withServers } from '../../support/index.ts';

describe('probe: judging', () => {
  const well = { clusterId: 'orders', term: 4, lastCsn: 20, dangers: [], foreignWrites: null };
  const expected = { clusterId: 'orders', term: 4, atLeastCsn: 19, atMostCsn: 20 };
  const danger = { what: 'fsync', text: 'fsync is off', grave: false };
  test.each([
    [well, undefined],
    [{ ...well, dangers: [danger] }, undefined],
    [{ ...well, dangers: [danger, { ...danger, grave: true }] }, /unfit .* must not take part: fsync is off/],
    [{ ...well, clusterId: 'stock' }, /unfit .* belongs to the cluster stock/],
    [{ ...well, term: 5 }, /fenced .* another Lockstep node has taken over/],
    [{ ...well, term: 3 }, /unfit .* put back to an older state/],
    [{ ...well, lastCsn: 18 }, /unfit .* has lost commits/],
    [{ ...well, lastCsn: 21 }, /unfit .* has commits that nobody here made/],
  ])('probe: %j', (found, error) => {
    const judged = judgeVitals('db1', found, expected);
    if (error === undefined) expect(judged).toBeUndefined();
    else expect(`${judged?.blame} ${judged?.message}`).toMatch(error);
  });
});

describe('probe: real members', () => {
  const fixture = withServers(2);
  let cluster: FreshCluster;
  afterEach(() => cluster.stop());
  /** Besides those that the servers of the tests have for the sake of speed. */
  const risks = async (id: string): Promise<readonly string[]> => {
    const found = (await cluster.status()).members.find((one) => one.id === id)?.risks ?? [];
    return found.filter((risk) => !/^(fsync|full_page_writes|synchronous_commit) /.test(risk));
  };
  const set = async (id: string, setting: string) =>
    void (await cluster.member(id).ask(`alter database ${cluster.database} ${setting}`));

  test('probe: a setting that endangers data is told; a grave one takes the member out, until it is put right', async () => {
    cluster = await FreshCluster.start(fixture.servers, {
      config: { sync: { automatic: true, retryMaxMs: 1000 }, probe: patientProbe },
    });
    const load = await new Load(cluster.url, { clients: 3 }).start();
    await set('db2', 'set lockstep.guard = off');
    await waitFor(async () => (await risks('db2')).length === 1, { what: 'the risk to be told' });
    expect(await risks('db2')).toEqual(['lockstep.guard is off: writes around Lockstep are not refused']);
    await set('db2', `set session_replication_role = replica`);
    expect(await cluster.untilInactive('db2')).toContain(
      'must not take part: session_replication_role is replica',
    );
    await load.more(20);
    await waitFor(
      async () => (await cluster.status()).members[1]?.sync?.reason?.includes('session_replication_role'),
      { what: 'its return to be refused' },
    );
    await set('db2', 'reset all');
    await cluster.untilActive('db2');
    await waitFor(async () => (await risks('db2')).length === 0, { what: 'the next probe' });
    await load.stop();
    expect(load.errors).toEqual([]);
  });

  test('probe: what all members have in common takes nobody out', async () => {
    cluster = await FreshCluster.start(fixture.servers, { config: { probe: patientProbe } });
    for (const { id } of cluster.members) await set(id, 'set zero_damaged_pages = on');
    await waitFor(async () => (await risks('db1')).length === 1 && (await risks('db2')).length === 1, {
      what: 'the risks to be told',
    });
    const client = await connect(cluster.url);
    await client.query('update counters set value = value + 1 where client = 0');
    expect((await cluster.status()).members.map(({ state }) => state)).toEqual(['active', 'active']);
  });

  test('probe: a member that has lost confirmed commits, or has others, is taken out though nobody writes', async () => {
    for (const [harm, reason] of [
      [`delete from lockstep.log where csn = (select max(csn) from lockstep.log)`, 'has lost commits'],
      [
        `insert into lockstep.log select slot, csn + 1000, part, term, payload from lockstep.log where csn = (select max(csn) from lockstep.log)`,
        'has commits that nobody here made',
      ],
    ] as const) {
      cluster = await FreshCluster.start(fixture.servers, { config: { probe: patientProbe } });
      const client = await connect(cluster.url);
      await client.query('update counters set value = value + 1 where client = 0');
      await cluster.member('db2').ask(`begin; set local lockstep.guard = off; ${harm}; commit`);
      expect(await cluster.untilInactive('db2')).toContain(reason);
      await cluster.stop();
    }
  });

  test('probe: a node learns from a member that another one has taken over, and ends', async () => {
    cluster = await FreshCluster.start(fixture.servers, { config: { probe: patientProbe } });
    const ended = expect(cluster.node.ended).rejects.toThrow('another Lockstep node has taken over');
    await cluster.member('db2').ask('select lockstep.raise_term(99)');
    await ended;
  });
});
