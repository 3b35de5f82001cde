/** How far a synchronisation is, how fast, how long yet; and how a limit on what it reads is kept. */

import { expect, test } from 'vitest';
import type { Clock } from '../../src/base/index.ts';
import { Pace } from '../../src/cluster/sync/pace.ts';
import { ProgressMeter } from '../../src/cluster/sync/progress-meter.ts';

/** Moves on by as much as is waited for. */
function clockOf(): Clock & { passed: number } {
  const clock = {
    passed: 0,
    monotonicMs: () => clock.passed,
    wallTime: () => new Date(clock.passed),
    after: (ms: number, callback: () => void) => {
      clock.passed += ms;
      queueMicrotask(callback);
      return () => undefined;
    },
  };
  return clock;
}

test('sync: progress: rate and time left are told of the table and of all', () => {
  const clock = clockOf();
  const meter = new ProgressMeter(clock);
  const ofTable = { rowsDone: 0, rowsTotal: 400, bytesDone: 0 };
  const all = { tablesTotal: 2, rowsTotal: 1000, table: 'public.t' };
  meter.report({ phase: 'copy', ...all, rowsDone: 0, bytesDone: 0, ofTable });
  expect(meter.progress).toMatchObject({ leftMs: undefined, ofTable: { leftMs: undefined } });
  clock.passed = 1000;
  meter.report({ rowsDone: 100, bytesDone: 5000, ofTable: { ...ofTable, rowsDone: 100, bytesDone: 5000 } });
  expect(meter.progress).toMatchObject({
    rowsPerSecond: 100,
    bytesPerSecond: 5000,
    leftMs: 9000,
    ofTable: { rowsDone: 100, bytesDone: 5000, leftMs: 3000 },
  });
});

test('sync: progress: catching up is done when the load is caught up with, if it is gained on at all', () => {
  const clock = clockOf();
  const meter = new ProgressMeter(clock);
  meter.report({ phase: 'catch-up', lagCsn: 3000 });
  clock.passed = 1000;
  meter.report({ lagCsn: 2000 });
  expect(meter.progress.leftMs).toBe(2000);
  meter.report({ lagCsn: 3500 });
  expect(meter.progress.leftMs).toBeUndefined();
});

test('sync: progress: a limit is kept in every second, in pieces that are a part of it', async () => {
  const clock = clockOf();
  const bytesPerSecond = 1_000_000;
  const pace = new Pace(clock, () => bytesPerSecond);
  expect(pace.pieceBytesMax).toBeLessThanOrEqual(bytesPerSecond / 4);
  expect(new Pace(clock, () => 0).pieceBytesMax).toBe(Number.POSITIVE_INFINITY);
  const read: { at: number; bytes: number }[] = [];
  while (clock.passed < 5000) {
    const bytes = pace.pieceBytesMax;
    read.push({ at: clock.passed, bytes });
    await pace.take(bytes, new AbortController().signal);
  }
  for (let second = 0; second < 5; second++) {
    const inIt = read.filter(({ at }) => at >= second * 1000 && at < (second + 1) * 1000);
    expect(inIt.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(bytesPerSecond);
  }
});

test('sync: progress: a limit that an operator changes on the way counts from the next piece', async () => {
  const clock = clockOf();
  let limit = 1000;
  const pace = new Pace(clock, () => limit);
  const { signal } = new AbortController();
  await pace.take(5000, signal);
  expect(clock.passed).toBe(5000);
  limit = 0;
  await pace.take(1_000_000, signal);
  expect(clock.passed).toBe(5000);
  limit = 10_000;
  await pace.take(5000, signal);
  expect(clock.passed).toBe(5500);
});
