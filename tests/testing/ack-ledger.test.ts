import { expect, test } from 'vitest';
import type { Outcome } from '../../src/base/index.ts';
import { AckLedger } from '../../src/testing/index.ts';

function ledgerOf(fates: Readonly<Record<string, Outcome | 'running'>>): AckLedger {
  const ledger = new AckLedger();
  for (const [key, fate] of Object.entries(fates)) {
    ledger.begin(key);
    if (fate === 'done') ledger.acknowledged(key);
    if (fate === 'none') ledger.failed(key);
    if (fate === 'unknown') ledger.unknown(key);
  }
  return ledger;
}

const fates = { a: 'done', b: 'none', c: 'unknown', d: 'running' } as const;

test.each([['a'], ['a', 'c'], ['a', 'd'], ['d', 'c', 'a']])(
  'ack ledger: acquits a member that has %s %s %s',
  (...found) => {
    expect(ledgerOf(fates).verify(found)).toEqual({ missing: [], invented: [], repeated: [] });
  },
);

test('ack ledger: convicts a member that lost an acknowledged operation', () => {
  expect(ledgerOf(fates).verify(['c'])).toMatchObject({ missing: ['a'], invented: [] });
});

test('ack ledger: convicts a member that has what failed, or what nobody did', () => {
  expect(ledgerOf(fates).verify(['a', 'b', 'z'])).toMatchObject({ missing: [], invented: ['b', 'z'] });
});

test('ack ledger: convicts a member that did an operation twice', () => {
  expect(ledgerOf(fates).verify(['a', 'c', 'a'])).toMatchObject({ repeated: ['a'] });
});

test('ack ledger: records how an operation ended, as the error tells', async () => {
  const ledger = new AckLedger();
  const failing = (outcome: Outcome) =>
    ledger.record(
      outcome,
      () => Promise.reject(new Error('no')),
      () => outcome,
    );
  expect(
    await ledger.record(
      'fine',
      () => Promise.resolve(1),
      () => 'none',
    ),
  ).toBeUndefined();
  expect(await failing('none')).toBeInstanceOf(Error);
  await failing('unknown');
  expect([ledger.count('acknowledged'), ledger.count('failed'), ledger.count('unknown')]).toEqual([1, 1, 1]);
});

test('ack ledger: one key has one fate, except that what failed may be tried again', () => {
  const ledger = ledgerOf(fates);
  expect(() => ledger.begin('a')).toThrow('acknowledged already');
  expect(() => ledger.begin('c')).toThrow('unknown already');
  expect(() => ledger.failed('a')).toThrow('cannot become failed');
  expect(() => ledger.acknowledged('new')).toThrow('not begun');
  ledger.begin('b');
  ledger.acknowledged('b');
  expect(ledger.verify(['a'])).toMatchObject({ missing: ['b'] });
});
