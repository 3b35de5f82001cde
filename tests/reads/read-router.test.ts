/** Which member the least loaded one is, and when a session leaves the member that it is at home with. */

import { describe, expect, test } from 'vitest';
import { ReadRouter } from '../../src/cluster/reads/read-router.ts';
import { ReadPlace } from '../../src/cluster/reads/read-place.ts';
import type { Reader } from '../../src/cluster/reads/read-router.ts';

const router = new ReadRouter({ balancer: () => 'least-loaded', random: () => 0 });

function member(id: string, more: Partial<Reader> = {}): Reader {
  return { id, weight: 1, appliedCsn: 5, inFlight: 0, latencyMs: 1, homes: 0, ...more };
}

function placeOf(home?: Reader, seenCsn = 5): ReadPlace {
  const place = new ReadPlace();
  place.committed(seenCsn);
  if (home !== undefined) place.moveTo(home);
  return place;
}

function chosen(readers: readonly Reader[], home?: Reader, seenCsn?: number): string | undefined {
  return router.choose(readers, placeOf(home, seenCsn), new Set())?.id;
}

describe('reads: least-loaded', () => {
  test('a new session goes where it is clearly less busy for the weight', () => {
    expect(chosen([member('a', { inFlight: 4 }), member('b', { inFlight: 0 })])).toBe('b');
    expect(chosen([member('b', { inFlight: 7 }), member('a', { inFlight: 7, weight: 8 })])).toBe('a');
  });

  test('at rest sessions make themselves at home by weight', () => {
    const homes = { a: 0, b: 0, c: 0 };
    for (let session = 0; session < 8; session++) {
      const members = [
        member('a', { homes: homes.a }),
        member('b', { homes: homes.b, weight: 2 }),
        member('c', { homes: homes.c }),
      ];
      homes[chosen(members) as 'a' | 'b' | 'c'] += 1;
    }
    expect(homes).toEqual({ a: 2, b: 4, c: 2 });
  });

  test('a session stays at home while that is not much busier than another', () => {
    const home = member('a', { inFlight: 2 });
    expect(chosen([member('b'), home], home)).toBe('a');
  });

  test('and leaves it when it is', () => {
    const home = member('a', { inFlight: 3 });
    expect(chosen([member('b'), home], home)).toBe('b');
    const slow = member('a', { latencyMs: 30 });
    expect(chosen([member('b', { latencyMs: 10 }), slow], slow)).toBe('b');
  });

  test('and when it has not applied what the session has seen, is tried, or is gone', () => {
    const home = member('a');
    expect(chosen([member('b', { appliedCsn: 6 }), home], home, 6)).toBe('b');
    expect(router.choose([member('b'), home], placeOf(home), new Set(['a']))?.id).toBe('b');
    expect(chosen([member('b')], home)).toBe('b');
  });

  test('and comes back to it when that has only been behind', () => {
    const home = member('a');
    const place = placeOf(home, 6);
    const primary = member('b', { appliedCsn: Infinity });
    expect(router.choose([primary, home], place, new Set())?.id).toBe('b');
    expect(place.home).toBe(home);
    expect(primary.homes).toBe(0);
    const later = { ...home, appliedCsn: 6 };
    place.moveTo(later);
    expect(router.choose([primary, later], place, new Set())?.id).toBe('a');
  });
});

describe('reads: what a session has been shown', () => {
  test('a member may show again what it has shown, before it says that it has it', () => {
    const place = placeOf();
    place.shown('a', 9);
    expect(place.allows(member('a', { appliedCsn: 5 }))).toBe(true);
    expect(place.allows(member('b', { appliedCsn: 5 }))).toBe(false);
    expect(place.allows(member('b', { appliedCsn: 9 }))).toBe(true);
  });

  test('but not less than others have shown since, or than the session has committed', () => {
    const place = placeOf();
    place.shown('a', 9);
    place.shown('b', 10);
    expect(place.allows(member('a', { appliedCsn: 9 }))).toBe(false);
    expect(place.allows(member('a', { appliedCsn: 10 }))).toBe(true);
    expect(place.allows(member('b', { appliedCsn: 9 }))).toBe(true);
    place.committed(11);
    expect(place.allows(member('b', { appliedCsn: 10 }))).toBe(false);
  });
});
