/** When members are verified, and what is made of what is found: with comparisons that say what the test wants. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LockstepError } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { rightGroup } from '../../src/cluster/verify/judge.ts';
import { Verification } from '../../src/cluster/verify/verification.ts';
import type { VerificationParts } from '../../src/cluster/verify/verification.ts';
import type { Comparison, MemberSnapshot } from '../../src/dialects/sync-contract.ts';
import type { EngineEventBody } from '../../src/telemetry/index.ts';
import { waitFor } from '../support/wait-for.ts';

/** Time that passes when the test says so. */
class ManualClock implements Clock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  monotonicMs = () => this.#now;
  wallTime = () => new Date(this.#now);

  after = (ms: number, callback: () => void) => {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  };

  get waitedFor(): boolean {
    return this.#timers.length > 0;
  }

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { callback } of due) callback();
  }
}

let clock: ManualClock;
let events: EngineEventBody[];
let out: string[];
let closed: number;
/** What each member holds: those with equal words are equal. */
let holds: Record<string, string>;
let openings: (() => Promise<void>)[];
let verification: Verification;
let stopped: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  events = [];
  out = [];
  closed = 0;
  openings = [];
  stopped = new AbortController();
  holds = { db1: 'x', db2: 'x', db3: 'x' };
  verification = make();
});
afterEach(() => stopped.abort());

function make(everyMs = 0): Verification {
  const active = () => Object.keys(holds).filter((id) => !out.includes(id));
  const parts = {
    settings: { verification: { everyMs, maxBytesPerSecond: 0 }, sync: { holdMs: 100 } },
    world: { clock, raise: (event: EngineEventBody) => events.push(event) },
    membership: {
      get active() {
        return active();
      },
      entry: (id: string) => ({ state: out.includes(id) ? 'inactive' : 'active' }),
    },
    roster: { member: (id: string) => ({ id }) },
    boundary: {
      hold: async (_: unknown, work: (csn: number) => Promise<unknown>) => {
        await openings.shift()?.();
        return await work(42);
      },
    },
    stopped: stopped.signal,
    data: {
      openSnapshot: ({ id }: { id: string }): Promise<MemberSnapshot> =>
        Promise.resolve({ memberId: id, csn: 42, close: () => (closed += 1) }),
      compare: (snapshots: readonly MemberSnapshot[]): Promise<Comparison> => {
        const [first] = snapshots;
        const tables = [{ table: 'public.t', rows: 7 }];
        const different = snapshots.filter(
          ({ memberId }) => holds[memberId] !== holds[first?.memberId ?? ''],
        );
        const difference = {
          schema: [],
          sequences: [],
          tables: [{ table: 'public.t', missing: 1, extra: 0, samples: [] }],
        };
        return Promise.resolve({
          tables,
          differences: new Map(different.map(({ memberId }) => [memberId, difference])),
        });
      },
    },
    primaryId: () => active()[0] ?? '',
    inTurn: <T>(work: () => Promise<T>) => work(),
    takeOut: (id: string) => {
      out.push(id);
      return Promise.resolve();
    },
  };
  return new Verification(parts as unknown as VerificationParts);
}

const busy = () =>
  Promise.reject(new LockstepError({ code: 'cluster.busy', message: 'too slow', retryable: true }));

describe('verification: who is right', () => {
  test.each([
    [{ db1: 'x', db2: 'x', db3: 'x' }, []],
    [{ db1: 'x', db2: 'y', db3: 'x' }, ['db2']],
    [{ db1: 'y', db2: 'x', db3: 'x' }, ['db1']],
    [{ db1: 'x', db2: 'y' }, ['db2']],
    [{ db1: 'x', db2: 'y', db3: 'z' }, ['db2', 'db3']],
    [{ db1: 'x', db2: 'y', db3: 'y', db4: 'x' }, ['db2', 'db3']],
    [{ db1: 'x', db2: 'y', db3: 'y', db4: 'z', db5: 'y' }, ['db1', 'db4']],
  ])('verification: of %j with db1 as primary, %j are wrong, and are taken out', async (held, wrong) => {
    holds = held;
    const { outcome, differences, csn } = await verification.run();
    expect([outcome, [...differences.keys()].toSorted(), out.toSorted(), csn]).toEqual([
      wrong.length === 0 ? 'equal' : 'differs',
      wrong,
      wrong,
      42,
    ]);
    expect(closed).toBe(Object.keys(held).length);
    expect(events.filter(({ type }) => type === 'member-differs')).toHaveLength(wrong.length);
    expect(verification.tables.get('public.t')).toMatchObject({ csn: 42, equal: wrong.length === 0 });
  });

  test('verification: nobody is right where there is nobody', () => {
    expect(rightGroup([], 'db1')).toEqual([]);
  });
});

describe('verification: when', () => {
  test('verification: commits that could not be held are held at another try, and at last it is said', async () => {
    openings = [busy, busy];
    const running = verification.run();
    for (const left of [1, 0]) {
      await waitFor(() => openings.length === left && clock.waitedFor, { what: `${left} more tries` });
      clock.pass(1000);
    }
    expect(await running).toMatchObject({ outcome: 'equal' });

    openings = Array.from({ length: 5 }, () => busy);
    const failing = verification.run();
    for (const left of [4, 3, 2, 1]) {
      await waitFor(() => openings.length === left && clock.waitedFor, { what: `${left} more tries` });
      clock.pass(1000);
    }
    expect(await failing).toMatchObject({ outcome: 'unchecked', reason: 'too slow' });
    expect(verification.last?.verified.outcome).toBe('unchecked');
  });

  test('verification: one at a time, and one that is ended says so', async () => {
    openings = [busy];
    const end = new AbortController();
    const running = verification.run({}, { signal: end.signal });
    await expect(verification.run()).rejects.toMatchObject({ code: 'cluster.busy' });
    await waitFor(() => clock.waitedFor, { what: 'the first try' });
    end.abort();
    await expect(running).rejects.toMatchObject({ code: 'cluster.cancelled' });
    expect(await verification.run()).toMatchObject({ outcome: 'equal' });
  });

  test('verification: the schedule goes on, sooner when nothing could be found out, until the node stops', async () => {
    verification = make(3_600_000);
    verification.start();
    const made = () => events.filter(({ type }) => type === 'verification-ended').length;
    expect(verification.dueInMs).toBe(3_600_000);
    clock.pass(3_600_000);
    await waitFor(() => made() === 1 && verification.dueInMs === 3_600_000, { what: 'the first' });
    holds = { db1: 'x' };
    clock.pass(3_600_000);
    await waitFor(() => made() === 2 && verification.dueInMs === 600_000, { what: 'the second' });
    expect(events.at(-1)).toMatchObject({ outcome: 'unchecked', reason: 'only db1 is active' });
    stopped.abort();
    await verification.stop();
    expect(verification.dueInMs).toBeUndefined();
    clock.pass(3_600_000);
    expect(made()).toBe(2);
  });
});
