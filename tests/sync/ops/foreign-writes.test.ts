/** Members to which somebody writes around Lockstep: found without being asked, told with rows, healed. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { compareMembers } from '../../../src/testing/index.ts';
import { FreshCluster, patientProbe } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { judge } from '../../failure/scenario.ts';
import { connect } from '../../support/connect.ts';
import { waitFor, withServers } from '../../support/index.ts';
import { lockstep } from './lockstep-program.ts';

const fixture = withServers(3);
let cluster: FreshCluster;
afterEach(() => cluster.stop());

const start = async (verification: object, members = 3): Promise<void> => {
  cluster = await FreshCluster.start(fixture.servers.slice(0, members), {
    config: { sync: { automatic: true }, verification, probe: patientProbe },
  });
};
const equal = async () =>
  await compareMembers(Object.fromEntries(cluster.members.map(({ id, ask }) => [id, ask])), {
    ignore: /^lockstep\./,
  });
const kept = async (): Promise<string> => {
  const directory = join(cluster.dir, 'state', 'kept');
  const files = await readdir(directory);
  return (await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')))).join('');
};

describe('ops: foreign writes', () => {
  test('ops: a row that was written with the guard lifted is found at once, reported, kept and taken away', async () => {
    await start({ everyMinutes: 0, sampleMs: 0 });
    const load = await new Load(cluster.url, { clients: 3 }).start();
    await cluster
      .member('db3')
      .ask('begin; set local lockstep.guard = off; insert into counters values (4711, 8); commit');
    const reason = await cluster.untilInactive('db3', 30_000);
    expect(reason).toContain('rows of public.counters: 1 too many (has (4711,8))');
    await cluster.untilActive('db3');
    await load.more(20);
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
    expect(await kept()).toContain('4711\t8\n');
    expect((await lockstep(cluster, 'verify', '--last')).stdout).toContain(
      'public.counters: client=4711\n    db1  (not there)\n    db2  (not there)\n    db3  client=4711 value=8\n',
    );
  });

  test('ops: rows that changed without a trace are found by samples, also under load, and nobody else is suspected', async () => {
    await start({ everyMinutes: 0, sampleMs: 20 });
    const load = await new Load(cluster.url, { clients: 3 }).start();
    await load.more(60);
    expect((await cluster.status()).members.map(({ state }) => state)).toEqual([
      'active',
      'active',
      'active',
    ]);
    await cluster
      .member('db2')
      .ask(
        'begin; set local session_replication_role = replica; update counters set value = 5 where client = 40; commit',
      );
    expect(await cluster.untilInactive('db2', 60_000)).toContain(
      'rows of public.counters: 1 missing, 1 too many',
    );
    await cluster.untilActive('db2');
    await load.stop();
    expect(load.errors).toEqual([]);
    await judge(cluster, load, []);
  });

  test('ops: of two nobody is right by himself; reads stay with the primary until a person has decided', async () => {
    await start({ everyMinutes: 0, sampleMs: 0 }, 2);
    await (await cluster.primary()).ask(
      'begin; set local lockstep.guard = off; update accounts set balance = 1 where id = 3; commit',
    );
    await waitFor(async () => (await cluster.status()).verification.contest !== null, {
      what: 'it to be found',
      timeoutMs: 30_000,
    });
    for (let session = 0; session < 4; session++) {
      const reader = await connect(cluster.url);
      expect((await reader.query('select balance from accounts where id = 3')).rows).toEqual([
        { balance: '1' },
      ]);
    }
    expect((await cluster.status()).members.map(({ state }) => state)).toEqual(['active', 'active']);
    expect((await lockstep(cluster, 'repair', 'db2')).status).toBe(0);
    const client = await connect(cluster.url);
    await client.query('update accounts set balance = balance + 1 where id = 3');
    await waitFor(async () => (await equal()).length === 0, { what: 'both to hold the same' });
    expect(await cluster.member('db2').ask('select balance from accounts where id = 3')).toEqual([['2']]);
  });
});
