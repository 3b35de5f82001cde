/** When members are verified, and what is made of what is found: with comparisons that say what the test wants. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LockstepError } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { rightGroup } from '../../src/cluster/verify/judge.ts';
import { dueInMs } from '../../src/cluster/verify/schedule.ts';
import { Verification } from '../../src/cluster/verify/verification.ts';
import type { VerificationParts } from '../../src/cluster/verify/verification.ts';
import type { Verified } from '../../src/cluster/verify/verification-run.ts';
import type { Note } from '../../src/coordination/index.ts';
import { MemberError } from '../../src/dialects/contract.ts';
import type { CompareRequest, Comparison, Finding } from '../../src/dialects/sync-contract.ts';
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

/** What each member holds of a table: those with equal words are equal. */
type Held = Record<string, string>;

/** What one look meets; the last one stays. */
interface World {
  readonly t: Held;
  readonly u?: Held;
  readonly schema?: Record<string, readonly string[]>;
  readonly unwatched?: Record<string, readonly string[]>;
  /** Ends the look after the tables that were told. */
  readonly error?: Error;
  /** Tables that could not be read. */
  readonly busy?: readonly string[];
  /** No schema statement can have made members look different. */
  readonly certain?: boolean;
  /** Happens while commits are held. */
  readonly meanwhile?: () => void;
  readonly csn?: Record<string, number>;
}

const members = ['db1', 'db2', 'db3'];
let clock: ManualClock;
let events: EngineEventBody[];
let out: string[];
let accused: string[][];
let open: number;
let worlds: World[];
let looks: { tables: string[]; definitions: boolean }[];
let holds: number[];
let watched: string[];
let watchFails: Error | undefined;
let verification: Verification;
let stopped: AbortController;
let saved: unknown;
let primaryId: string;
let wanted: boolean;
let inTurn: <T>(work: () => Promise<T>) => Promise<T>;

beforeEach(() => {
  clock = new ManualClock();
  events = [];
  out = [];
  accused = [];
  open = 0;
  looks = [];
  holds = [];
  watched = [];
  watchFails = undefined;
  saved = undefined;
  primaryId = 'db1';
  wanted = false;
  inTurn = (work) => work();
  stopped = new AbortController();
  worlds = [{ t: { db1: 'x', db2: 'x', db3: 'x' } }];
  verification = make();
});
afterEach(() => stopped.abort());

const note: Note = {
  load: () => Promise.resolve(saved),
  save: (content) => {
    saved = JSON.parse(JSON.stringify(content));
    return Promise.resolve();
  },
};

function make(everyMs = 0): Verification {
  const now = (): World => worlds[0] ?? { t: {} };
  const active = () => Object.keys(now().t).filter((id) => !out.includes(id));
  const parts = {
    settings: { verification: { everyMs, window: undefined, maxBytesPerSecond: 0 }, sync: { holdMs: 100 } },
    world: { clock, raise: (event: EngineEventBody) => events.push(event) },
    note,
    membership: {
      term: 3,
      get active() {
        return active();
      },
      entry: (id: string) => ({ state: out.includes(id) ? 'inactive' : 'active' }),
      get members() {
        return members.map((id) => ({ id }));
      },
    },
    roster: { member: (id: string) => ({ id }), load: () => ({ suspect: false }) },
    boundary: {
      hold: async ({ ms }: { ms: number }, work: (csn: number, heldMs: () => number) => Promise<unknown>) => {
        holds.push(ms);
        now().meanwhile?.();
        return await work(42, () => 7);
      },
    },
    stopped: stopped.signal,
    data: {
      prepareSnapshot: ({ id }: { id: string }) => {
        open += 1;
        let taken = false;
        return Promise.resolve({
          memberId: id,
          take: () => {
            taken = true;
            return Promise.resolve({ memberId: id, csn: now().csn?.[id] ?? 42, close: () => (open -= 1) });
          },
          close: () => {
            if (!taken) open -= 1;
          },
        });
      },
      compare: (snapshots: readonly { memberId: string }[], request: CompareRequest) => {
        const ids = snapshots.map(({ memberId }) => memberId);
        const world = now();
        if (worlds.length > 1) worlds.shift();
        looks.push({ tables: [], definitions: request.definitions });
        return compare(world, ids, request);
      },
      watchTables: ({ id }: { id: string }) => {
        if (watchFails !== undefined) return Promise.reject(watchFails);
        watched.push(id);
        return Promise.resolve();
      },
    },
    primaryId: () => primaryId,
    inTurn: <T>(work: () => Promise<T>) => inTurn(work),
    turnWanted: () => wanted,
    takeOut: (wrong: ReadonlyMap<string, string>) => {
      accused.push([...wrong.keys()]);
      out.push(...wrong.keys());
      return Promise.resolve();
    },
  };
  return new Verification(parts as unknown as VerificationParts);
}

async function compare(world: World, ids: readonly string[], request: CompareRequest): Promise<Comparison> {
  let complete = true;
  const tables = Object.entries({ t: world.t, ...(world.u && { u: world.u }) });
  for (const [name, held] of tables.filter(([table]) => !request.skip.has(table))) {
    looks.at(-1)?.tables.push(name);
    const words = [...new Set(ids.map((id) => held[id]))];
    const groups = words.map((word) => ids.filter((id) => held[id] === word));
    const right = request.right(groups, name);
    const differences = new Map(
      ids
        .filter((id) => !right.includes(id))
        .map((id) => {
          const pair = {
            key: { id: '1' },
            right: { id: '1', a: 'r' },
            other: { id: '1', a: held[id] ?? null },
          };
          return [id, { table: name, missing: 1, extra: 1, samples: [], atLeast: false, pairs: [pair] }];
        }),
    );
    const busy = world.busy?.includes(name) === true;
    const failure = busy ? 'it was locked' : undefined;
    if (
      !request.onTable({
        table: name,
        rows: 7,
        members: ids,
        differences: busy ? new Map() : differences,
        certain: world.certain === true,
        failure,
      })
    ) {
      complete = name === tables.at(-1)?.[0];
      break;
    }
  }
  if (world.error !== undefined) throw world.error;
  const found = (all: Record<string, readonly string[]> = {}): ReadonlyMap<string, readonly Finding[]> =>
    new Map(
      Object.entries(all).map(([id, whats]) => [id, whats.map((what) => ({ what, text: `${what} is odd` }))]),
    );
  return await Promise.resolve({
    schema: found(world.schema),
    sequences: new Map(),
    unwatched: found(world.unwatched),
    complete,
  });
}

/** Lets time pass until it has ended. */
async function ended(running: Promise<Verified>): Promise<Verified> {
  let over = false;
  void running.finally(() => (over = true)).catch(() => undefined);
  await waitFor(
    () => {
      if (clock.waitedFor) clock.pass(500);
      return over;
    },
    { what: 'the verification to end' },
  );
  return await running;
}

const run = (...request: Parameters<Verification['run']>) => ended(verification.run(...request));
const busy = () => new LockstepError({ code: 'cluster.busy', message: 'too slow', retryable: true });
const equal: Held = { db1: 'x', db2: 'x', db3: 'x' };

describe('verification: who is right', () => {
  test.each([
    [{ db1: 'x', db2: 'x', db3: 'x' }, []],
    [{ db1: 'x', db2: 'y', db3: 'x' }, ['db2']],
    [{ db1: 'x', db2: 'x', db3: 'y', db4: 'z' }, ['db3', 'db4']],
    [{ db1: 'x', db2: 'y', db3: 'y', db4: 'x' }, ['db2', 'db3']],
    [{ db1: 'x', db2: 'y', db3: 'y', db4: 'x', db5: 'y' }, ['db2', 'db3', 'db5']],
  ])('verification: of %j with db1 as primary, %j are wrong, and are taken out', async (t, wrong) => {
    worlds = [{ t }];
    const { outcome, differences, csn, tables } = await run();
    expect([outcome, [...differences.keys()].toSorted(), out.toSorted(), csn]).toEqual([
      wrong.length === 0 ? 'equal' : 'differs',
      wrong,
      wrong,
      42,
    ]);
    expect(open).toBe(0);
    expect(events.filter(({ type }) => type === 'member-differs')).toHaveLength(wrong.length);
    expect(verification.tables.get('t')).toMatchObject({ csn: 42, outcome });
    const said = (id: string) => (wrong.includes(id) ? 'differs' : 'equal');
    expect(tables).toMatchObject([
      { table: 't', members: Object.fromEntries(Object.keys(t).map((id) => [id, said(id)])) },
    ]);
  });

  test.each([
    [{ db1: 'y', db2: 'x', db3: 'x' }, ['db2', 'db3']],
    [{ db1: 'x', db2: 'y' }, ['db2']],
    [{ db1: 'x', db2: 'y', db3: 'z' }, ['db2', 'db3']],
    [{ db1: 'x', db2: 'y', db3: 'y', db4: 'z', db5: 'y' }, ['db2', 'db3', 'db4', 'db5']],
  ])(
    'verification: of %j nobody agrees with the primary db1: %j are contested, and nobody is taken out',
    async (t, apart) => {
      worlds = [{ t }];
      const { outcome, differences, contested } = await run();
      expect([outcome, [...differences], [...contested.keys()], out]).toEqual(['differs', [], apart, []]);
      expect(verification.contest).toMatchObject({ primary: 'db1', members: apart });
      expect(apart.map((id) => verification.isContested(id))).toEqual(apart.map(() => true));
      expect(verification.isContested('db1')).toBe(false);
      expect(events.filter(({ type }) => type === 'member-differs')).toEqual([]);
      expect(events.find(({ type }) => type === 'primary-differs')).toMatchObject({
        primary: 'db1',
        members: apart,
        differences: apart.map((id) => expect.stringContaining(`${id}: rows of t: 1 missing`)),
      });
    },
  );

  test('verification: definitions are judged object by object: who differs in one may agree with the primary in another', async () => {
    worlds = [{ t: equal, schema: { db2: ['view v', 'view w'], db3: ['view v'] } }];
    const { differences, contested } = await run();
    expect([[...differences.keys()], [...contested.keys()], out]).toEqual([['db2'], ['db2', 'db3'], ['db2']]);
    // Whoever is taken out comes back as the primary is.
    expect(verification.contest).toMatchObject({ members: ['db3'] });
  });

  test('verification: a primary that cannot read its own data is taken out', async () => {
    worlds = [{ t: equal, error: new MemberError('db1', 'diverged', 'table t cannot be read') }];
    await run();
    expect(accused).toEqual([['db1']]);
    expect(verification.contest).toBeUndefined();
  });

  test('verification: what is contested is over when all are made equal, or found so; and outlives the node', async () => {
    const apart = { db1: 'y', db2: 'x', db3: 'x' };
    worlds = [{ t: apart }];
    await run();
    await verification.settled('db2');
    expect(verification.contest?.members).toEqual(['db3']);
    const { contest } = verification;
    verification = make();
    await verification.start();
    expect(verification.contest).toEqual(contest);
    await verification.settled('db3');
    expect(verification.contest).toBeUndefined();
    expect(events.filter(({ type }) => type === 'primary-agrees')).toEqual([
      { type: 'primary-agrees', primary: 'db1' },
    ]);
    worlds = [{ t: apart }];
    await run();
    // Of one table nothing follows for the others.
    worlds = [{ t: equal }];
    await run({ tables: ['t'] });
    expect(verification.contest?.members).toEqual(['db2', 'db3']);
    await run();
    expect(verification.contest).toBeUndefined();
  });

  test('verification: when another becomes the primary, it is the former one that is contested', async () => {
    worlds = [{ t: { db1: 'y', db2: 'x', db3: 'x' } }];
    await run();
    primaryId = 'db2';
    await verification.primaryMoved('db2');
    expect(verification.contest).toMatchObject({ primary: 'db2', members: ['db1'] });
  });

  test('verification: the row is shown as each member has it', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y', db3: 'x' } }];
    const { tables } = await run();
    expect(tables[0]?.rowsApart).toEqual([
      {
        key: { id: '1' },
        columns: ['a'],
        values: { db1: { id: '1', a: 'r' }, db3: { id: '1', a: 'r' }, db2: { id: '1', a: 'y' } },
      },
    ]);
  });

  test('verification: nobody is right where there is nobody', () => {
    expect(rightGroup([], 'db1')).toEqual([]);
  });
});

describe('verification: no false alarm', () => {
  test('verification: a difference counts when two looks have found it, and the second is at that table only', async () => {
    const odd = { db1: 'x', db2: 'y', db3: 'x' };
    worlds = [
      { t: odd, u: equal, schema: { db3: ['view v'] } },
      { t: equal, u: equal },
    ];
    expect(await run()).toMatchObject({ outcome: 'equal', reason: undefined });
    expect(looks.map(({ tables, definitions }) => [tables, definitions])).toEqual([
      [['t', 'u'], true],
      [['t'], true],
    ]);
    expect(out).toEqual([]);

    worlds = [
      { t: equal, schema: { db3: ['view v', 'view w'] } },
      { t: equal, schema: { db3: ['view w', 'view x'] } },
    ];
    const { outcome, differences } = await run();
    expect([outcome, [...differences]]).toEqual([
      'differs',
      [['db3', { schema: ['view w is odd'], tables: [], sequences: [] }]],
    ]);
  });

  test('verification: what differed for certain, and was then overwritten, is told; nobody is taken out', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y', db3: 'x' }, certain: true }, { t: equal }];
    const { outcome, differences, settled } = await run();
    expect([outcome, [...differences], out]).toEqual(['differs', [], []]);
    expect(settled.get('db2')).toEqual([expect.stringContaining('at CSN 42 they were equal again')]);
  });

  test('verification: who differed for certain, and then left, does not come back by what it missed', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y', db3: 'x' }, certain: true }];
    const running = verification.run();
    await waitFor(() => looks.length === 1 && clock.waitedFor, { what: 'the first look' });
    out.push('db2');
    expect([...(await ended(running)).differences.keys()]).toEqual(['db2']);
    expect(accused).toEqual([['db2']]);
  });

  test('verification: of two, who differed for certain, and then left, answers nobody when it comes back', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y' }, certain: true }];
    const running = verification.run();
    await waitFor(() => looks.length === 1 && clock.waitedFor, { what: 'the first look' });
    out.push('db2');
    expect([...(await ended(running)).contested.keys()]).toEqual(['db2']);
    expect([accused, verification.isContested('db2')]).toEqual([[], true]);
  });

  test('verification: what looks different in another place each time says nothing of anybody', async () => {
    let at = 0;
    worlds = [
      {
        t: equal,
        get schema() {
          return { db3: [`view v${at++}`] };
        },
      },
    ];
    expect(await run()).toMatchObject({
      outcome: 'unchecked',
      reason: expect.stringContaining('another place'),
    });
    expect(out).toEqual([]);
  });

  test('verification: a member that left while commits were held is not compared', async () => {
    const left = { t: { db1: 'x', db2: 'x', db3: 'y' }, meanwhile: () => out.push('db3') };
    worlds = [left];
    const running = verification.run();
    await waitFor(() => clock.waitedFor, { what: 'the first try' });
    worlds = [{ t: left.t }];
    expect(await ended(running)).toMatchObject({ outcome: 'equal', members: ['db1', 'db2'] });
    expect([looks.length, open]).toEqual([1, 0]);
  });

  test('verification: snapshots that do not stand for this place in the order are not compared', async () => {
    worlds = [{ t: equal, csn: { db2: 43 } }];
    expect(await run()).toMatchObject({ outcome: 'unchecked', reason: expect.stringContaining('CSN 43') });
    expect([looks.length, open]).toEqual([0, 0]);
  });

  test('verification: the primary has to be among those that are compared, and be it still', async () => {
    worlds = [{ t: equal, meanwhile: () => (primaryId = 'db9') }];
    expect(await run()).toMatchObject({
      outcome: 'unchecked',
      reason: expect.stringContaining('became the primary'),
    });
  });
});

describe('verification: tables that nobody watches', () => {
  test('verification: they are watched again, and compared after that; of their rows the primary has all', async () => {
    const ahead = { db1: 'more', db2: 'x', db3: 'x' };
    worlds = [{ t: ahead, unwatched: { db1: ['t'] } }, { t: ahead }];
    const { outcome, differences, settled } = await run();
    expect([outcome, [...differences.keys()], watched]).toEqual(['differs', ['db2', 'db3'], ['db1']]);
    expect([...settled]).toEqual([['db1', ['t is odd; it is watched again']]]);
    expect(events).toContainEqual({ type: 'capture-restored', member: 'db1', tables: ['t'] });
    expect(looks.map(({ tables }) => tables)).toEqual([['t'], ['t'], ['t']]);
  });

  test('verification: nobody is taken out for it, neither when it could not be healed', async () => {
    worlds = [{ t: equal, unwatched: { db1: ['t'], db2: ['t'], db3: ['t'] } }];
    watchFails = new Error('it is locked');
    const { outcome, settled } = await run();
    expect([outcome, out]).toEqual(['differs', []]);
    expect(settled.get('db3')).toEqual(['t is odd; it could not be watched again: it is locked']);
  });

  test('verification: a dry run finds, and does nothing', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y', db3: 'x' }, unwatched: { db2: ['t'] } }];
    expect(await run({ dryRun: true })).toMatchObject({ outcome: 'differs' });
    expect([watched, out, events, verification.last, saved]).toEqual([[], [], [], undefined, undefined]);
  });
});

describe('verification: disturbed', () => {
  test('verification: what was found out before a look ended early stays known', async () => {
    worlds = [
      { t: equal, error: busy() },
      { t: equal, u: equal },
    ];
    expect(await run()).toMatchObject({ outcome: 'equal' });
    expect(looks.map(({ tables }) => tables)).toEqual([['t'], ['u']]);
  });

  test('verification: a table that is never to be read is told of, and the others are equal', async () => {
    worlds = [{ t: equal, u: equal, busy: ['u'] }];
    const { outcome, reason, tables } = await run();
    expect([outcome, reason]).toEqual(['unchecked', 'it was locked']);
    expect(tables.map(({ table, outcome: found }) => [table, found])).toEqual([
      ['t', 'equal'],
      ['u', 'unchecked'],
    ]);
  });

  test('verification: a table that is gone is forgotten, also when it was suspected', async () => {
    worlds = [{ t: equal, u: { db1: 'x', db2: 'y', db3: 'x' } }, { t: equal }];
    expect(await run()).toMatchObject({ outcome: 'equal' });
  });

  test('verification: a member whose data are damaged is taken out, and the others are compared', async () => {
    const error = new MemberError('db2', 'diverged', 'table t cannot be read: invalid page');
    const torn = { t: equal, error };
    worlds = [torn, torn, { t: equal }];
    const { outcome, differences, members: those } = await run();
    expect([outcome, [...differences.keys()], out]).toEqual(['differs', ['db2'], ['db2']]);
    expect(those).toEqual(members.toSorted((a, b) => Number(a === 'db2') - Number(b === 'db2')));
  });

  test('verification: others get their turn between two tables', async () => {
    worlds = [{ t: equal, u: equal }];
    wanted = true;
    expect(await run()).toMatchObject({ outcome: 'equal' });
    expect(looks.map(({ tables }) => tables)).toEqual([['t'], ['u']]);
  });

  test('verification: commits are held longer with each try that was not enough, and at last it is said', async () => {
    const slow = {
      t: equal,
      meanwhile: () => {
        throw busy();
      },
    };
    worlds = [slow];
    expect(await run()).toMatchObject({ outcome: 'unchecked', reason: 'too slow' });
    expect(verification.last?.outcome).toBe('unchecked');
    expect(holds).toEqual([...Array(4).fill(25), ...Array(4).fill(50), ...Array(8).fill(100)]);
  });
});

describe('verification: when', () => {
  const at = (time: string) => new Date(`2026-03-10T${time}`);
  const hour = 3_600_000;
  const night = { from: 22 * 60, to: 5 * 60 };
  const noon = { from: 12 * 60, to: 13 * 60 };
  test.each([
    ['at once, where it was due while no node ran', '09:00', -48, undefined, 0],
    ['a day after the last one', '09:00', -20, undefined, 4],
    ['not later than a day from now, whatever the clock showed then', '09:00', 90, undefined, 24],
    ['when the window opens', '09:00', -48, noon, 3],
    ['within the window at once', '12:30', -48, noon, 0],
    ['tomorrow, where the window is over', '13:00', -48, noon, 23],
    ['over midnight', '09:00', -48, night, 13],
    ['after midnight too', '03:00', -48, night, 0],
    ['in the next window after it is due', '09:00', -20, noon, 27],
  ])('verification: it is due %s', (_, now, lastHours, window, hours) => {
    const last = at(now).getTime() + lastHours * hour;
    expect(dueInMs(at(now), last, { everyMs: 24 * hour, window }) / hour).toBe(hours);
  });

  test('verification: one at a time, and one that is ended says so', async () => {
    worlds = [
      {
        t: equal,
        meanwhile: () => {
          throw busy();
        },
      },
    ];
    const end = new AbortController();
    const running = verification.run({}, { signal: end.signal });
    await expect(verification.run()).rejects.toMatchObject({ code: 'cluster.busy' });
    await waitFor(() => clock.waitedFor, { what: 'the first try' });
    end.abort();
    await expect(running).rejects.toMatchObject({ code: 'cluster.cancelled' });
    worlds = [{ t: equal }];
    expect(await run()).toMatchObject({ outcome: 'equal' });
  });

  test('verification: who asks for one waits for one that nobody has asked for', async () => {
    let done: () => void = () => undefined;
    const compared = new Promise<void>((resolve) => (done = resolve));
    inTurn = async (work) => {
      await compared;
      return await work();
    };
    const suspected = verification.run({ tables: ['t'], suspicion: true });
    const asked = run();
    const end = new AbortController();
    const given = verification.run({}, { signal: end.signal });
    await expect(verification.run({ suspicion: true })).rejects.toMatchObject({ code: 'cluster.busy' });
    end.abort();
    await expect(given).rejects.toMatchObject({ code: 'cluster.cancelled' });
    done();
    expect([await suspected, await asked]).toMatchObject([{ outcome: 'equal' }, { outcome: 'equal' }]);
  });

  test('verification: the last one is known after a restart', async () => {
    worlds = [{ t: { db1: 'x', db2: 'y', db3: 'x' } }];
    await run();
    const { last } = verification;
    expect(last).toMatchObject({
      outcome: 'differs',
      findings: [{ member: 'db2' }],
      tables: [{ table: 't' }],
    });
    const next = make();
    await next.start();
    expect([next.last, [...next.tables]]).toEqual([last, [...verification.tables]]);
    clock.pass(1_800_000);
    const daily = make(86_400_000);
    await daily.start();
    // From the last one on, not from the start.
    expect(daily.dueInMs).toBe(Date.parse(last?.at ?? '') + 86_400_000 - clock.wallTime().getTime());
    await daily.stop();
    saved = { format: 99 };
    const other = make();
    await other.start();
    expect(other.last).toBeUndefined();
  });

  test('verification: the schedule goes on, sooner when nothing could be found out, until the node stops', async () => {
    verification = make(3_600_000);
    await verification.start();
    const made = () => events.filter(({ type }) => type === 'verification-ended').length;
    expect(verification.dueInMs).toBe(3_600_000);
    clock.pass(3_600_000);
    await waitFor(() => made() === 1 && verification.dueInMs === 3_600_000, { what: 'the first' });
    worlds = [{ t: { db1: 'x' } }];
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
