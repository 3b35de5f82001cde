import { expect, test } from 'vitest';
import { CommitOrder } from '../../src/cluster/commits/commit-order.ts';
import type { CommitRecord, WriteSet } from '../../src/dialects/contract.ts';

const writeSet: WriteSet = { bytes: 1, parts: () => [Buffer.from('x')], release: () => undefined };

test('commit order: a place that the lost primary may have used is recorded dead on the replicas, in its turn', () => {
  const dispatched: CommitRecord[] = [];
  const order = new CommitOrder(
    {
      dispatch: (record) => void dispatched.push(record),
      passed: () => undefined,
      appliedEverywhere: () => 0,
      releasable: () => 0,
      slotFor: () => 0,
    },
    { term: 7, lastCsn: 10 },
  );
  const [inHand, lost, above] = [11, 12, 13].map(() =>
    order.open({ mayBeRefused: false, primaryMs: 0 }),
  ) as never[];
  order.received(inHand as never, writeSet);
  order.received(above as never, writeSet);
  expect(order.primaryLost()).toEqual([12, 13]);
  expect(lost).toMatchObject({ fate: 'dead' });
  expect(dispatched.map(({ csn, term, writeSet: changes }) => [csn, term, changes !== null])).toEqual([
    [11, 7, true],
    [12, 7, false],
    [13, 7, false],
  ]);
});

test('commit order: what a replica refuses is shown to nobody until it is known whose fault that is', async () => {
  const order = new CommitOrder(
    {
      dispatch: () => undefined,
      passed: () => undefined,
      appliedEverywhere: () => 0,
      releasable: () => 0,
      slotFor: () => 0,
    },
    { term: 7, lastCsn: 10 },
  );
  const commit = (): void => {
    const ticket = order.open({ mayBeRefused: false, primaryMs: 0 });
    order.received(ticket, writeSet);
    order.committed(ticket);
  };
  commit();
  expect(order.sure()).toBeUndefined();
  order.doubt(11);
  const kept = order.sure();
  order.trust(11);
  expect(await kept).toBe(true);
  expect(order.sure()).toBeUndefined();
  commit();
  order.doubt(12);
  const lost = order.sure();
  expect(order.revoke(12)).toEqual([12]);
  expect(await lost).toBe(false);
});
