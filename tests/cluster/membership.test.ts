import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/index.ts';
import { Membership } from '../../src/cluster/membership/membership.ts';
import type { MemberEntry } from '../../src/cluster/membership/membership.ts';

const entry = (id: string, state: MemberEntry['state']): MemberEntry => ({
  id,
  url: `postgres://${id}`,
  state,
  reason: state === 'active' ? undefined : 'it failed',
  since: '2026-01-01T00:00:00.000Z',
  leaving: false,
});

function membership(...members: MemberEntry[]): Membership {
  const failing = {
    load: () => Promise.resolve(undefined),
    save: () => Promise.reject(new Error('EIO: i/o error')),
    close: () => Promise.resolve(),
  };
  const from = { clusterId: 'shop', clock: systemClock, term: 1, version: 3, primary: 'a', lastCsn: 9 };
  return new Membership({ ...from, store: failing, members });
}

test('membership: a member whose activation could not be recorded, but may have been, misses nothing', async () => {
  const members = membership(entry('a', 'active'), entry('b', 'inactive'));
  await members.change('b', 'trusted', 'it is level');
  expect(members.active).toEqual(['a', 'b']);
  expect(members.version).toBe(4);
});

test('membership: a member that could not be recorded inactive is still waited for', async () => {
  const members = membership(entry('a', 'active'), entry('b', 'active'));
  await expect(members.change('b', 'failed', 'it is silent')).rejects.toThrow('EIO');
  expect(members.active).toEqual(['a', 'b']);
});
