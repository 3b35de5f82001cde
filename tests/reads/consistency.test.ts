/** G4: what was acknowledged is seen by every read that starts afterwards, and nobody goes back in time. */

import { expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { withServers } from '../support/index.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { findStepsBack } from './history.ts';
import type { Reading } from './history.ts';

const fixture = withServers(3);
const sessions = 16;
const rounds = 25;

test('history: a reader that is shown what was acknowledged, and never less than before, is acquitted', () => {
  const fine = [
    { session: 1, counter: 1, acknowledged: 1, shown: 1 },
    { session: 1, counter: 1, acknowledged: 1, shown: 3 },
    { session: 1, counter: 1, acknowledged: 2, shown: 3 },
    { session: 2, counter: 1, acknowledged: 2, shown: 2 },
  ];
  expect(findStepsBack(fine)).toEqual([]);
});

test('history: a reader that misses an acknowledged write is convicted', () => {
  expect(findStepsBack([{ session: 1, counter: 1, acknowledged: 5, shown: 4 }])).toEqual([
    'session 1 missed 5 of counter 1: it was shown 4',
  ]);
});

test('history: a reader that goes back is convicted, also over what nobody had acknowledged', () => {
  const back = [
    { session: 1, counter: 1, acknowledged: 2, shown: 4 },
    { session: 2, counter: 1, acknowledged: 2, shown: 3 },
    { session: 1, counter: 1, acknowledged: 2, shown: 3 },
  ];
  expect(findStepsBack(back)).toEqual(['session 1 went back from 4 to 3 of counter 1']);
});

interface Reader {
  query(sql: string, values: unknown[]): Promise<{ rows: { value: string }[] }>;
}

/** Each session writes its counter, and then somebody reads it: itself, or the one beside it. */
async function writeAndRead(cluster: FreshCluster): Promise<readonly Reading[]> {
  const clients = await Promise.all(Array.from({ length: sessions }, () => connect(cluster.url)));
  const acknowledged = new Map<number, number>();
  const readings: Reading[] = [];
  const read = async (reader: Reader, session: number, counter: number): Promise<void> => {
    const known = acknowledged.get(counter) ?? 0;
    const { rows } = await reader.query('select value from counters where client = $1', [counter]);
    readings.push({ session, counter, acknowledged: known, shown: Number(rows[0]?.value) });
  };
  const readers = await Promise.all(Array.from({ length: sessions }, () => connect(cluster.url)));
  await Promise.all(
    clients.map(async (client, number) => {
      const beside = readers[number] as Reader;
      for (let round = 1; round <= rounds; round++) {
        if (round % 3 === 0) await client.query('begin');
        await client.query('update counters set value = $2 where client = $1', [number, round]);
        if (round % 3 === 0) await client.query('commit');
        acknowledged.set(number, round);
        // The session itself, another one at once, and one that looks at a counter which is being written just now.
        await Promise.all([
          read(client, number, number),
          (async () => {
            await read(beside, sessions + number, number);
            await read(beside, sessions + number, (number + 1) % sessions);
          })(),
        ]);
      }
    }),
  );
  return readings;
}

test.each(['least-loaded', 'round-robin', 'random'])(
  'reads: with %s nobody misses what was acknowledged, and nobody goes back',
  async (balancer) => {
    const cluster = await FreshCluster.start(fixture.servers, { config: { balancer } });
    try {
      const readings = await writeAndRead(cluster);
      expect(readings).toHaveLength(sessions * rounds * 3);
      expect(findStepsBack(readings)).toEqual([]);
    } finally {
      await cluster.stop();
    }
  },
);

test('reads: nobody goes back when a replica is far behind the others', async () => {
  const cluster = await FreshCluster.start(fixture.servers, {
    proxied: [2],
    config: { balancer: 'round-robin' },
  });
  try {
    cluster.member('db3').proxy?.set({ latencyMs: 20 });
    const readings = await writeAndRead(cluster);
    expect(findStepsBack(readings)).toEqual([]);
    // Some were shown more than had been acknowledged: the lag was there to be fallen into.
    expect(readings.filter(({ shown, acknowledged }) => shown > acknowledged).length).toBeGreaterThan(0);
  } finally {
    await cluster.stop();
  }
});
