/** Which member the least loaded one is, and when a session leaves the member that it is at home with. */

import { describe, expect, test } from 'vitest';
import { ReadRouter } from '../../src/cluster/reads/read-router.ts';
import type { Reader } from '../../src/cluster/reads/read-router.ts';

const router = new ReadRouter({ balancer: () => 'least-loaded', random: () => 0 });

function member(id: string, more: Partial<Reader> = {}): Reader {
  return { id, weight: 1, appliedCsn: 5, inFlight: 0, latencyMs: 1, homes: 0, ...more };
}

function chosen(readers: readonly Reader[], home?: Reader, seenCsn = 5): string | undefined {
  return router.choose(readers, seenCsn, new Set(), home)?.id;
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
    expect(router.choose([member('b'), home], 5, new Set(['a']), home)?.id).toBe('b');
    expect(chosen([member('b')], home)).toBe('b');
  });
});
