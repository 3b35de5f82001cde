/** Records that the primary could make and no replica can apply: told, and nobody stays out for it. */

import { afterEach, describe, expect, test } from 'vitest';
import { FreshCluster, patientProbe } from '../../failure/fresh-cluster.ts';
import { Load } from '../../failure/load.ts';
import { judge } from '../../failure/scenario.ts';
import { dumpableServers } from '../../support/dumpable.ts';
import { connect, withServers } from '../../support/index.ts';
import { recordEvents } from '../recorded-events.ts';
import type { RecordedEvents } from '../recorded-events.ts';
import { lockstep } from './lockstep-program.ts';

const binaries = dumpableServers();
const fixture = withServers(3, binaries === undefined ? {} : { binaries });
let cluster: FreshCluster;
let events: RecordedEvents;
afterEach(() => cluster.stop());

async function start(sync: object = { automatic: true }): Promise<void> {
  events = recordEvents();
  cluster = await FreshCluster.prepare(fixture.servers, {
    config: { sync, probe: patientProbe, verification: { everyMinutes: 0, sampleMs: 0 } },
  });
  await cluster.startNode({ logger: events.logger });
}

/** What is made on replicas alone, by somebody who knows how to get around Lockstep. */
async function onReplicas(sql: string): Promise<void> {
  for (const { ask } of await cluster.replicas())
    await ask(`begin; set local session_replication_role = replica; ${sql}; commit`);
}

/** As the primary never refuses. */
const refuseBalance = `
  create function refuse() returns trigger language plpgsql as $$ begin
    if new.balance = 4711 then raise exception 'not here' using errcode = '23514'; end if; return new; end $$;
  create trigger refuse before insert or update on accounts for each row execute function refuse();
  alter table accounts enable always trigger refuse`;

// What is different in definitions is copied, for which pg_dump is needed.
describe.skipIf(binaries === undefined)('ops: refused records', () => {
  test('ops: what every replica refuses is told as the record’s fault; they come back at once, and nothing is lost', async () => {
    await start();
    const load = await new Load(cluster.url, { clients: 3 }).start();
    await load.more(30);
    await onReplicas('alter table counters add check (value <> 4711)');
    const client = await connect(cluster.url);
    const { ask } = await cluster.primary();
    await client.query('update counters set value = 4711 where client = 50');
    expect(await ask('select value from counters where client = 50')).toEqual([['4711']]);
    for (const { id } of cluster.members) await cluster.untilActive(id, 60_000);
    expect(events.of('record-refused')).toHaveLength(1);
    expect(events.of('record-refused')[0]).toMatchObject({
      csn: expect.any(Number),
      sqlState: '23514',
      members: expect.arrayContaining(['db2', 'db3']),
      answers: {
        db2: expect.stringContaining('violates check'),
        db3: expect.stringContaining('violates check'),
      },
      done: expect.stringContaining('at once'),
    });
    for (const id of ['db2', 'db3']) {
      expect(events.of('member-deactivated', id)).toMatchObject([
        { reason: expect.stringMatching(/^no replica can apply CSN \d+, which is not its fault: /) },
      ]);
      // The check is not the primary's, so that comparing alone would not do.
      expect(events.of('sync-started', id)[0]).toMatchObject({ strategy: 'full' });
      expect(events.of('member-quarantined', id)).toEqual([]);
    }
    await load.more(30);
    await load.stop();
    expect(load.errors).toEqual([]);
    for (const one of cluster.members)
      expect(await one.ask('select value from counters where client = 50')).toEqual([['4711']]);
    await judge(cluster, load, []);
    expect((await lockstep(cluster, 'verify')).status).toBe(0);
  }, 120_000);

  test('ops: one replica that refuses what another one applies is the one at fault', async () => {
    await start();
    const [one] = await cluster.replicas();
    await one?.ask(
      'begin; set local session_replication_role = replica; alter table counters add check (value <> 4711); commit',
    );
    const client = await connect(cluster.url);
    await client.query('update counters set value = 4711 where client = 50');
    expect(events.of('record-refused')).toEqual([]);
    expect(events.of('member-deactivated').map(({ member }) => member)).toEqual([one?.id]);
    await cluster.untilActive(one?.id ?? '', 60_000);
  }, 120_000);

  test('ops: status says why they are out, and an operator brings them back as any other', async () => {
    await start({ automatic: false });
    await onReplicas(refuseBalance);
    const client = await connect(cluster.url);
    await client.query('update accounts set balance = 4711 where id = 9');
    const shown = await lockstep(cluster, 'status');
    expect(shown.stdout).toMatch(
      /no replica can apply CSN \d+, which is not its fault: .*error 23514 \(PL\/pgSQL function /,
    );
    const brought = await lockstep(cluster, 'sync', 'db2', '--strategy', 'full');
    expect(brought.stdout).toContain('by full from db1: an operator asked for it');
    expect(await cluster.member('db2').ask('select balance from accounts where id = 9')).toEqual([['4711']]);
  }, 120_000);
});
