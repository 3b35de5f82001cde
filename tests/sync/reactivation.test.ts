/** When members are tried that do not come back, or not for long. */

import { afterEach, expect, test } from 'vitest';
import { Flaps } from '../../src/cluster/sync/flaps.ts';
import { FreshCluster, patientProbe } from '../failure/fresh-cluster.ts';
import { connect } from '../support/connect.ts';
import { waitFor, withServers } from '../support/index.ts';
import { recordEvents } from './recorded-events.ts';
import type { RecordedEvents } from './recorded-events.ts';

const fixture = withServers(2);
let cluster: FreshCluster;
let events: RecordedEvents;
afterEach(() => cluster.stop());

const schema = 'create sequence tickets';

async function start(sync: Readonly<Record<string, unknown>>): Promise<void> {
  events = recordEvents();
  cluster = await FreshCluster.prepare(fixture.servers, {
    schema,
    proxied: [1],
    config: { sync: { automatic: true, ...sync }, probe: patientProbe },
  });
  await cluster.startNode({ logger: events.logger });
}

const syncOf = async () => (await cluster.status()).members.find(({ id }) => id === 'db2')?.sync;

/** Active, and seen so. */
async function well(): Promise<void> {
  await cluster.untilActive('db2');
  await waitFor(async () => ((await syncOf()) ?? undefined) === undefined, { what: 'db2 to be well' });
}

test('sync: a member that fails again as soon as it is back is in quarantine: told, shown, and tried seldom', async () => {
  await start({ quarantineFailures: 2, retryMaxMs: 4000 });
  const { server } = cluster.member('db2');
  for (const failures of [1, 2]) {
    await well();
    await server.kill9();
    await cluster.untilInactive('db2');
    await waitFor(async () => ((await syncOf()) ?? undefined) !== undefined, {
      what: 'its return to be planned',
    });
    expect(await syncOf()).toMatchObject({ quarantined: failures === 2 });
    await server.start();
  }
  expect(events.of('member-quarantined', 'db2')).toMatchObject([
    { reason: 'it has failed 2 times within 10 minutes' },
  ]);
  // It comes back all the same, and nobody has to do anything.
  await cluster.untilActive('db2');
  expect(events.of('member-quarantined', 'db2')).toHaveLength(1);
});

test('sync: a member that answers and cannot be brought level is tried more and more seldom, and each time it is said', async () => {
  await start({});
  const { server, proxy } = cluster.member('db2');
  await proxy?.refuse();
  proxy?.cut();
  await cluster.untilInactive('db2');
  const holder = await connect(server.urlOf(cluster.database));
  await holder.query(
    `begin; set local session_replication_role = replica; select setval('tickets', 50); alter sequence tickets cache 1`,
  );
  await proxy?.accept();
  const failed = () => events.of('sync-failed', 'db2');
  await waitFor(() => failed().length > 1, { what: 'the second attempt', timeoutMs: 30_000 });
  await holder.end();
  for (const [at, leastMs] of [1000, 2000].entries()) {
    const { reason, retryMs } = failed()[at] ?? {};
    expect(reason).toContain('lock timeout');
    expect(retryMs).toBeGreaterThanOrEqual(leastMs);
    expect(retryMs).toBeLessThanOrEqual(2 * leastMs);
  }
  await cluster.untilActive('db2');
});

test('sync: quarantine begins with the last failure that is one too many, and ends when a member has been well', () => {
  const flaps = new Flaps({ failuresMax: 2, withinMs: 1000 });
  const steps: [at: number, seen: 'well' | 'out', quarantined: boolean][] = [
    [0, 'well', false],
    [100, 'out', false],
    [200, 'out', false],
    [300, 'well', false],
    [400, 'out', true],
    [500, 'well', true],
    [1400, 'well', true],
    [1500, 'well', false],
    [1600, 'out', false],
    [1700, 'well', false],
    // The one before is too long ago.
    [2650, 'out', false],
  ];
  for (const [at, seen, quarantined] of steps) {
    if (seen === 'well') flaps.well(at);
    else flaps.out(at);
    expect([at, flaps.quarantined]).toEqual([at, quarantined]);
  }
});
