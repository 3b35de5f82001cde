import { expect, test } from 'vitest';
import { deferred } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { ApplyStream } from '../../src/cluster/apply/apply-stream.ts';
import { MemberError } from '../../src/dialects/contract.ts';
import type { ApplyLink, Member, TrialLink, WriteSet } from '../../src/dialects/contract.ts';

const writeSet: WriteSet = { bytes: 1, parts: () => [Buffer.from('x')], release: () => undefined };

/** To a replica that is at CSN 5, by a clock that stands still unless it says otherwise. */
function streamTo(
  openApply: () => Promise<ApplyLink> | undefined,
  { clock = {}, onFailed }: { clock?: Partial<Clock>; onFailed: (error: MemberError, csn?: number) => void },
  openTrial?: () => Promise<TrialLink>,
): ApplyStream {
  return new ApplyStream({ id: 'b', openApply, openTrial } as unknown as Member, {
    clock: { monotonicMs: () => 0, wallTime: () => new Date(0), after: () => () => undefined, ...clock },
    term: 1,
    startCsn: 5,
    batchMax: 10,
    batchBytesMax: 1000,
    times: () => ({ commitMs: 100, outageMs: 1000 }),
    onApplied: () => undefined,
    onFailed,
  });
}

test('apply: a try that was given up while it connected does not go on when the connection comes', async () => {
  const timers: (() => void)[] = [];
  const connecting = [deferred<ApplyLink>(), deferred<ApplyLink>()];
  const applied: string[] = [];
  const link = (name: string): ApplyLink => ({
    apply: (records) => {
      for (const { csn } of records) applied.push(`${name} ${csn}`);
      return Promise.resolve();
    },
    lastCsn: () => Promise.resolve(5),
    atWork: () => Promise.resolve(false),
    schemaChanged: () => undefined,
    close: () => undefined,
  });
  let tries = 0;
  const failed = deferred();
  const stream = streamTo(() => connecting[tries++]?.promise, {
    clock: {
      after: (_, callback) => {
        timers.push(callback);
        return () => undefined;
      },
    },
    onFailed: () => failed.resolve(),
  });
  const opened = stream.open();
  connecting[0]?.resolve({ ...link('first'), lastCsn: () => Promise.reject(new Error('it broke')) });
  await expect(opened).rejects.toThrow('it broke');
  timers.length = 0;
  stream.push({ csn: 6, term: 1, slot: 0, writeSet });
  await Promise.resolve();
  // The deadline comes while the stream connects: it stands still, and the engine is told.
  while (timers.length === 0) await Promise.resolve();
  timers.shift()?.();
  await failed.promise;
  connecting[1]?.resolve(link('late'));
  for (let i = 0; i < 50; i++) await Promise.resolve();
  expect(applied).toEqual([]);
  expect(stream.appliedCsn).toBe(5);
});

test('apply: a stream whose connection does not open in time goes on with another, and the late one is closed', async () => {
  let late: () => void = () => undefined;
  const connecting = [deferred<ApplyLink>(), deferred<ApplyLink>()];
  const said: string[] = [];
  const link = (name: string): ApplyLink => ({
    apply: (records) => {
      for (const { csn } of records) said.push(`${name} applies ${csn}`);
      return Promise.resolve();
    },
    lastCsn: () => Promise.resolve(5),
    atWork: () => Promise.resolve(false),
    schemaChanged: () => undefined,
    close: () => said.push(`${name} is closed`),
  });
  let tries = 0;
  const stream = streamTo(() => connecting[tries++]?.promise, {
    clock: {
      after: (_, callback) => {
        late = callback;
        return () => undefined;
      },
    },
    onFailed: (error) => said.push(error.message),
  });
  const opened = stream.open();
  late();
  await expect(opened).rejects.toThrow('member b has not said within 15000 ms how far it is');
  stream.push({ csn: 6, term: 1, slot: 0, writeSet });
  connecting[1]?.resolve(link('the second'));
  await stream.drained();
  connecting[0]?.resolve(link('the late one'));
  while (said.length < 2) await Promise.resolve();
  stream.push({ csn: 7, term: 1, slot: 0, writeSet });
  await stream.drained();
  expect(said).toEqual(['the second applies 6', 'the late one is closed', 'the second applies 7']);
});

test('apply: a replica that answers when asked, and on which every connection breaks, is found unfit in time', async () => {
  let now = 0;
  const broken = new MemberError('b', 'gone', 'member b: the connection was reset');
  const failures: MemberError[] = [];
  let failed = deferred();
  const link = {
    apply: () => Promise.reject(broken),
    lastCsn: () => Promise.resolve(5),
    atWork: () => Promise.resolve(false),
    schemaChanged: () => undefined,
    close: () => undefined,
  };
  const stream = streamTo(() => Promise.resolve(link), {
    clock: { monotonicMs: () => now },
    onFailed: (error) => {
      failures.push(error);
      failed.resolve();
    },
  });
  await stream.open();
  stream.push({ csn: 6, term: 1, slot: 0, writeSet });
  for (let times = 0; times < 4; times++) {
    await failed.promise;
    failed = deferred();
    now += 40;
    // The inquiry has found it alive.
    stream.goOn();
  }
  await failed.promise;
  expect(failures.map(({ blame }) => blame)).toEqual(['gone', 'gone', 'gone', 'unfit', 'unfit']);
  expect(failures.at(-1)?.message).toMatch(
    /reset; nothing behind CSN 5 was applied for 160 ms, although it answers/,
  );
});

test('apply: of a batch that is refused for what it holds the others are applied, and the one is named; dead, it is no obstacle', async () => {
  const applied: number[] = [];
  const failures: unknown[] = [];
  const link: ApplyLink = {
    apply: (records) => {
      if (records.some(({ csn, writeSet: content }) => csn === 7 && content !== null))
        return Promise.reject(new MemberError('b', 'client', 'no', '23514'));
      for (const { csn } of records) applied.push(csn);
      return Promise.resolve();
    },
    lastCsn: () => Promise.resolve(applied.at(-1) ?? 5),
    atWork: () => Promise.resolve(false),
    schemaChanged: () => undefined,
    close: () => undefined,
  };
  const stream = streamTo(() => Promise.resolve(link), {
    onFailed: (error, csn) => failures.push([error.blame, csn]),
  });
  for (const csn of [6, 7, 8]) stream.push({ csn, term: 1, slot: 0, writeSet });
  await stream.open();
  while (failures.length === 0) await Promise.resolve();
  expect([applied, failures, stream.refusedCsn, stream.appliedCsn]).toEqual([[6], [['client', 7]], 7, 6]);
  stream.revoke(7);
  await stream.drained();
  expect([applied, stream.refusedCsn, stream.waitingBytes]).toEqual([[6, 7, 8], undefined, 0]);
});

test('apply: what is held beside the stream is let go of where a record before it waits for that', async () => {
  let nowMs = 0;
  const timers: (() => void)[] = [];
  const letGo = deferred();
  const trial: TrialLink = {
    lost: undefined,
    hold: () => Promise.resolve({ kind: 'held' }),
    commit: () => Promise.reject(new Error('it is not held')),
    letGo: () => {
      letGo.resolve();
      return Promise.resolve();
    },
    close: () => undefined,
  };
  const applied: number[] = [];
  const link: ApplyLink = {
    apply: async (records) => {
      for (const { csn } of records) {
        // It wants a lock that what is held has.
        if (csn === 6) await letGo.promise;
        applied.push(csn);
      }
    },
    lastCsn: () => Promise.resolve(5),
    atWork: () => Promise.resolve(false),
    schemaChanged: () => undefined,
    close: () => undefined,
  };
  const stream = streamTo(
    () => Promise.resolve(link),
    {
      clock: {
        monotonicMs: () => nowMs,
        after: (ms, callback) => {
          // Deadlines do not pass here.
          if (ms === 100) timers.push(callback);
          return () => undefined;
        },
      },
      onFailed: (error) => expect.unreachable(error.message),
    },
    () => Promise.resolve(trial),
  );
  await stream.open();
  const bounds = { afterCsn: 5, catchUpMs: 250, allowedMs: 1000 };
  expect(await stream.tryOut(writeSet, bounds)).toEqual({ kind: 'held' });
  stream.push({ csn: 6, term: 1, slot: 0, writeSet });
  stream.placeTrial(7);
  stream.push({ csn: 7, term: 1, slot: 0, writeSet });
  for (let i = 0; i < 100 && applied.length < 2; i++) {
    nowMs += 100;
    for (const callback of timers.splice(0)) callback();
    await Promise.resolve();
  }
  expect(applied).toEqual([6, 7]);
});

/** A stream whose link applies when it is told to, by a clock that goes when it is told to. */
function slowly({ isAtWork }: { readonly isAtWork: () => boolean }) {
  let nowMs = 0;
  let timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  const failures: string[] = [];
  const applied: number[] = [];
  const under = { way: deferred() };
  const link: ApplyLink = {
    apply: async (records) => {
      await under.way.promise;
      under.way = deferred();
      for (const { csn } of records) applied.push(csn);
    },
    atWork: () => Promise.resolve(isAtWork()),
    lastCsn: () => Promise.resolve(applied.at(-1) ?? 5),
    schemaChanged: () => undefined,
    close: () => undefined,
  };
  const stream = streamTo(() => Promise.resolve(link), {
    clock: {
      monotonicMs: () => nowMs,
      after: (ms, callback) => {
        const timer = { atMs: nowMs + ms, callback };
        timers.push(timer);
        return () => (timers = timers.filter((one) => one !== timer));
      },
    },
    onFailed: ({ message }) => failures.push(message),
  });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  return {
    stream,
    failures,
    applied,
    settle,
    /** What is under way is done. */
    done: async (): Promise<void> => {
      under.way.resolve();
      await settle();
    },
    passes: async (ms: number): Promise<void> => {
      for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
        nowMs += 10;
        const due = timers.filter(({ atMs }) => atMs <= nowMs);
        timers = timers.filter(({ atMs }) => atMs > nowMs);
        for (const { callback } of due) callback();
        await settle();
      }
    },
  };
}

test('apply: a replica that is seen to be at work is not late; what waits behind has all its time from then on', async () => {
  let works = true;
  const { stream, failures, applied, settle, done, passes } = slowly({ isAtWork: () => works });
  await stream.open();
  stream.push({ csn: 6, term: 1, slot: 0, writeSet });
  await settle();
  stream.push({ csn: 7, term: 1, slot: 0, writeSet });
  await passes(900);
  await done();
  expect([applied, failures]).toEqual([[6], []]);
  works = false;
  await passes(90);
  expect(failures).toEqual([]);
  await done();
  expect([applied, failures]).toEqual([[6, 7], []]);
});

test('apply: a replica that stands still is late at its deadline; at work, when all clients have waited long enough, or as long as the primary took', async () => {
  for (const [works, primaryMs, lateMs] of [
    [false, 0, 100],
    [true, 0, 1100],
    [true, 1000, 3100],
  ] as const) {
    const { stream, failures, settle, passes } = slowly({ isAtWork: () => works });
    await stream.open();
    stream.push({ csn: 6, term: 1, slot: 0, writeSet, primaryMs });
    await settle();
    await passes(lateMs - 20);
    expect(failures).toEqual([]);
    await passes(700);
    expect(failures).toEqual([expect.stringMatching(/^member b has not applied CSN 6 within \d+ ms$/)]);
  }
});
