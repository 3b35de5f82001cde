import { expect, test } from 'vitest';
import { deferred } from '../../src/base/index.ts';
import { ApplyStream } from '../../src/cluster/apply/apply-stream.ts';
import type { ApplyLink, Member, WriteSet } from '../../src/dialects/contract.ts';

const writeSet: WriteSet = { bytes: 1, parts: () => [Buffer.from('x')], release: () => undefined };

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
    close: () => undefined,
  });
  let tries = 0;
  const failed = deferred();
  const member = { id: 'b', openApply: () => connecting[tries++]?.promise } as unknown as Member;
  const stream = new ApplyStream(member, {
    clock: {
      monotonicMs: () => 0,
      wallTime: () => new Date(0),
      after: (_, callback) => {
        timers.push(callback);
        return () => undefined;
      },
    },
    term: 1,
    startCsn: 5,
    batchMax: 10,
    batchBytesMax: 1000,
    deadlineMs: () => 100,
    onApplied: () => undefined,
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
