/** Regular probes of members that are slow to answer, on a clock of the test's own. */

import { beforeEach, expect, test } from 'vitest';
import { deferred } from '../../src/base/index.ts';
import type { Clock, Deferred } from '../../src/base/index.ts';
import { Prober } from '../../src/cluster/membership/prober.ts';
import type { Member, Vitals } from '../../src/dialects/contract.ts';

const settings = { intervalMs: 200, timeoutMs: 300, threshold: 2, backOffMaxMs: 1000 };
const well: Vitals = { clusterId: 'c', term: 1, lastCsn: 0, dangers: [], foreignWrites: null };

let now: number;
let timers: { readonly at: number; readonly call: () => void }[];
let probes: Deferred<Vitals>[];
let unfit: string[];
let active: boolean;
let prober: Prober;

const clock: Clock = {
  monotonicMs: () => now,
  wallTime: () => new Date(now),
  after: (ms, call) => {
    const timer = { at: now + ms, call };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  },
};

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

async function pass(ms: number): Promise<void> {
  for (const until = now + ms; ; ) {
    await settled();
    const [next] = timers.filter(({ at }) => at <= until).toSorted((one, other) => one.at - other.at);
    if (next === undefined) {
      now = until;
      return;
    }
    now = next.at;
    timers = timers.filter((other) => other !== next);
    next.call();
  }
}

beforeEach(() => {
  now = 0;
  timers = [];
  probes = [];
  unfit = [];
  active = true;
  const member = {
    id: 'db1',
    probe: () => {
      const probe = deferred<Vitals>();
      probes.push(probe);
      return probe.promise;
    },
    close: () => undefined,
  };
  prober = new Prober({
    clock,
    settings: () => settings,
    clusterId: 'c',
    members: () => (active ? [member as unknown as Member] : []),
    term: () => 1,
    confirmedCsn: () => 0,
    lastOpened: () => 0,
    onUnfit: (_, error) => unfit.push(error.message),
    onForeignWrite: () => undefined,
    raise: () => undefined,
  });
  prober.start();
});

test('probe: the first one of a member has time to get ready, the next one has not', async () => {
  await pass(4000);
  expect([probes.length, unfit]).toEqual([1, []]);
  probes[0]?.resolve(well);
  await pass(700);
  expect(unfit[0]).toBe('member db1 has not answered a probe within 300 ms');
});

test('probe: a first one that is never answered is a failure too, and the next are as any other', async () => {
  await pass(5300);
  expect(unfit).toEqual(['member db1 has not answered a probe within 5000 ms']);
  await pass(600);
  expect(unfit.length).toBeGreaterThan(1);
});

test('probe: an inquiry does not wait longer than ever, and does not give up what the first one has begun', async () => {
  await pass(200);
  const asked = prober.ask('db1');
  await pass(300);
  expect((await asked)?.message).toBe('member db1 has not answered a probe within 300 ms');
  const again = prober.ask('db1');
  probes[0]?.resolve(well);
  expect([await again, probes.length, unfit]).toEqual([undefined, 1, []]);
});

test('probe: a member that becomes active once more is asked for the first time again', async () => {
  await pass(200);
  probes[0]?.resolve(well);
  active = false;
  await pass(1000);
  active = true;
  await pass(4000);
  expect([probes.length, unfit]).toEqual([2, []]);
});
