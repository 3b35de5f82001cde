import { describe, expect, test } from 'vitest';
import { CancelRate, LoginPlaces } from '../../../src/fronts/postgres/client-limits.ts';
import { ManualClock } from './manual-clock.ts';

describe('login places', () => {
  test('while everyone is young, the newcomer is turned away', () => {
    const places = new LoginPlaces(2, new ManualClock());
    const evicted: string[] = [];
    places.enter(() => evicted.push('a'));
    places.enter(() => evicted.push('b'));
    expect(places.enter(() => evicted.push('c'))).toBeUndefined();
    expect(evicted).toEqual([]);
  });

  test('whoever came first and did not log in gives way, one for each newcomer', () => {
    const clock = new ManualClock();
    const places = new LoginPlaces(2, clock);
    const evicted: string[] = [];
    places.enter(() => evicted.push('a'));
    clock.nowMs = 600;
    places.enter(() => evicted.push('b'));
    clock.nowMs = 1_000;
    expect(places.enter(() => evicted.push('c'))).toBeTypeOf('function');
    expect(places.enter(() => evicted.push('d'))).toBeUndefined();
    expect(evicted).toEqual(['a']);
    expect(places.taken).toBe(2);
  });

  test('a place that was left is free, and leaving twice or after an eviction frees no other', () => {
    const clock = new ManualClock();
    const places = new LoginPlaces(1, clock);
    const leave = places.enter(() => {});
    leave?.();
    places.enter(() => {});
    leave?.();
    expect(places.taken).toBe(1);
  });
});

describe('cancel rate', () => {
  test('a burst is allowed, then twenty in a second, for each address on its own', () => {
    const clock = new ManualClock();
    const rate = new CancelRate(clock);
    const allowed = (address: string) => {
      let count = 0;
      while (count < 1_000 && rate.allows(address)) count += 1;
      return count;
    };
    expect(allowed('10.0.0.1')).toBe(200);
    expect(allowed('10.0.0.2')).toBe(200);
    clock.nowMs += 1_000;
    expect(allowed('10.0.0.1')).toBe(20);
    clock.nowMs += 3_600_000;
    expect(allowed('10.0.0.1')).toBe(200);
  });

  test('requests that come faster than they are allowed do not keep the allowance from growing', () => {
    const clock = new ManualClock();
    const rate = new CancelRate(clock);
    let allowed = 0;
    for (let i = 0; i < 20_000; i += 1) {
      clock.nowMs += 1;
      if (rate.allows('10.0.0.1')) allowed += 1;
    }
    // 20 seconds at 20 each, and the burst.
    expect(allowed).toBeGreaterThanOrEqual(598);
    expect(allowed).toBeLessThanOrEqual(600);
  });
});
