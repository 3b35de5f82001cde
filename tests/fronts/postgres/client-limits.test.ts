import { describe, expect, test } from 'vitest';
import {
  CancelRate,
  LoginPlaces,
  networkOf,
  PasswordGuesses,
} from '../../../src/fronts/postgres/client-limits.ts';
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

describe('login places of several addresses', () => {
  test('the address that has most of them gives way, to one that has fewer', () => {
    const places = new LoginPlaces(3, new ManualClock());
    const evicted: string[] = [];
    for (const name of ['a', 'b', 'c']) places.enter(() => evicted.push(name), '10.0.0.1');
    expect(places.enter(() => {}, '10.0.0.1')).toBeUndefined();
    expect(places.enter(() => evicted.push('honest'), '10.0.0.2')).toBeTypeOf('function');
    expect(evicted).toEqual(['a']);
    // Two against one: nobody has more than the newcomer would.
    expect(places.enter(() => {}, '10.0.0.2')).toBeUndefined();
    expect(places.taken).toBe(3);
  });

  test('who has one address of IPv6 has many', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe(networkOf('2001:db8:1:2::1'));
    expect(networkOf('2001:db8::1')).toBe(networkOf('2001:db8::2'));
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'));
    expect(networkOf('::ffff:10.0.0.1')).toBe('10.0.0.1');
  });
});

describe('wrong passwords', () => {
  const wrong = (guesses: PasswordGuesses, count: number, user = 'app', address = '10.0.0.1') =>
    Array.from({ length: count }, () => guesses.note(user, address));

  test('cost more and more time, up to two seconds, and are told of once', () => {
    const guesses = new PasswordGuesses(new ManualClock());
    expect(wrong(guesses, 3)).toEqual([false, false, false]);
    expect(guesses.delayMs('app', '10.0.0.1')).toBe(100);
    expect(wrong(guesses, 17).filter(Boolean)).toEqual([true]);
    expect(guesses.delayMs('app', '10.0.0.1')).toBe(2000);
  });

  test('of one cost another user at the same address, and the same user elsewhere, nothing', () => {
    const guesses = new PasswordGuesses(new ManualClock());
    wrong(guesses, 20);
    expect([guesses.delayMs('other', '10.0.0.1'), guesses.delayMs('app', '10.0.0.2')]).toEqual([0, 0]);
  });

  test('for many users cost every user at that address', () => {
    const guesses = new PasswordGuesses(new ManualClock());
    for (let user = 0; user < 80; user++) wrong(guesses, 1, `user ${user}`);
    expect(guesses.delayMs('app', '10.0.0.1')).toBe(2000);
  });

  test('are forgotten by the right one, and after a minute', () => {
    const clock = new ManualClock();
    const guesses = new PasswordGuesses(clock);
    wrong(guesses, 5);
    guesses.forget('app', '10.0.0.1');
    expect(guesses.delayMs('app', '10.0.0.1')).toBe(0);
    wrong(guesses, 5);
    clock.nowMs += 60_000;
    expect(guesses.delayMs('app', '10.0.0.1')).toBe(0);
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
