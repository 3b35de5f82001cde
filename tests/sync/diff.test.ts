/** What replaying cannot do: the log is gone, or the rows are not what they should be. Members come back all the same. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { waitFor, withServers } from '../support/index.ts';
import { connect } from '../support/connect.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import type { TestMember } from '../failure/fresh-cluster.ts';
import { Load } from '../failure/load.ts';
import { judge } from '../failure/scenario.ts';
import { cyclesOr, playCycles, replicaOrPrimary } from './cycles.ts';

const fixture = withServers(3);
const automatic = { config: { sync: { quarantineFailures: 1000 } } };
const cycles = cyclesOr(2);

/** As if the log had grown beyond what is kept of it. */
async function dropLog({ ask }: TestMember): Promise<void> {
  await ask(
    `begin; lock table lockstep.log in access exclusive mode;
     update lockstep.member set base_csn = greatest(base_csn, (select max(csn) from lockstep.log));
     truncate lockstep.log; commit`,
  );
}

async function keptFiles(cluster: FreshCluster): Promise<readonly string[]> {
  const directory = join(cluster.dir, 'state', 'kept');
  const names = await readdir(directory).catch(() => []);
  return names.map((name) => join(directory, name));
}

test(
  'sync: diff: a member that was away for longer than the log is kept comes back level under load',
  async () =>
    await playCycles('killed, the log dropped, and back', fixture.servers, {
      count: cycles,
      strategy: 'diff',
      victim: replicaOrPrimary,
      away: async (cluster, victim, load) => {
        await load.more(200);
        for (const member of cluster.members) if (member !== victim) await dropLog(member);
        await load.more(100);
        await victim.server.start();
      },
    }),
  30_000 + cycles * 30_000,
);

test('sync: diff: a member that was written to directly is taken out by the next change of such a row, and made equal', async () => {
  const cluster = await FreshCluster.start(fixture.servers, automatic);
  try {
    const [replica] = await cluster.replicas();
    if (replica === undefined) throw new Error('there is a replica');
    await replica.ask(
      `set lockstep.guard = off; delete from counters where client in (1, 2); insert into counters values (99, 7)`,
    );
    const client = await connect(cluster.url);
    await client.query('update counters set value = 1 where client = 1');
    expect(await cluster.untilInactive(replica.id)).toMatch(/diverged/);
    await cluster.untilActive(replica.id);
    await client.query('update counters set value = value + 1 where client = 1');
    await judge(cluster, new Load(cluster.url, { clients: 0 }), []);
    expect(await replica.ask('select * from counters where client in (1, 2, 99) order by 1')).toEqual([
      ['1', '2'],
      ['2', '0'],
    ]);
    const [file, ...others] = await keptFiles(cluster);
    expect(others).toEqual([]);
    expect(await readFile(file ?? '', 'utf8')).toMatch(/^99\t7$/m);
    expect((await stat(file ?? '')).mode & 0o777).toBe(0o600);
  } finally {
    await cluster.stop();
  }
});

test('sync: diff: a primary that comes back with a commit of which nobody had heard loses it to a file', async () => {
  const cluster = await FreshCluster.start(fixture.servers, { ...automatic, proxied: [0] });
  try {
    const { ask, proxy, server } = cluster.member('db1');
    const client = await connect(cluster.url);
    await client.query(`begin; insert into entries (key) values ('mine')`);
    proxy?.set({ silent: 'to-client' });
    const answer = client.query('commit');
    const mine = `select note from entries where key = 'mine'`;
    const unheard = await waitFor(async () => (await ask(mine))[0]?.[0], { what: 'the commit' });
    await server.kill9();
    // It is run again on another member, where its random value is another one; the client was never told of the first.
    await expect(answer).resolves.toMatchObject({ command: 'COMMIT' });
    const heard = (await client.query<{ note: string }>(mine)).rows[0]?.note;
    expect(heard).not.toBe(unheard);
    await server.start();
    await proxy?.heal();
    await cluster.untilActive('db1');
    expect(await ask(mine)).toEqual([[heard]]);
    const kept = await Promise.all((await keptFiles(cluster)).map((file) => readFile(file, 'utf8')));
    expect(kept.join('\n')).toContain(unheard);
    const load = new Load(cluster.url, { clients: 0 });
    load.ledger.begin('mine');
    load.ledger.acknowledged('mine');
    await judge(cluster, load, []);
  } finally {
    await cluster.stop();
  }
});
