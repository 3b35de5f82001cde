import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { CancelRegistry } from '../../../src/fronts/postgres/cancel-registry.ts';

function counter() {
  const target = { count: 0, cancel: () => Promise.resolve(void (target.count += 1)) };
  return target;
}

test('a request reaches the session whose pid and key it shows, and no other', async () => {
  const registry = new CancelRegistry();
  const [first, second] = [counter(), counter()];
  const [firstKey, secondKey] = [randomBytes(32), randomBytes(4)];
  registry.register(1, firstKey, first);
  registry.register(2, secondKey, second);
  await registry.cancel(1, firstKey);
  expect([first.count, second.count]).toEqual([1, 0]);
  await registry.cancel(2, secondKey);
  expect([first.count, second.count]).toEqual([1, 1]);
});

test('a wrong key, a part of the key, a longer key, and an unknown pid do nothing and say nothing', async () => {
  const registry = new CancelRegistry();
  const target = counter();
  const key = randomBytes(32);
  registry.register(7, key, target);
  const wrong = Buffer.from(key);
  wrong[31] = (wrong[31] as number) ^ 1;
  const attempts: [number, Buffer][] = [
    [7, wrong],
    [7, key.subarray(0, 4)],
    [7, Buffer.concat([key, Buffer.of(0)])],
    [8, key],
    [-7, key],
  ];
  for (const [pid, attempt] of attempts) await expect(registry.cancel(pid, attempt)).resolves.toBeUndefined();
  expect(target.count).toBe(0);
});

test('a session that has ended is out of reach, and its end does not touch whoever has its pid now', async () => {
  const registry = new CancelRegistry();
  const [old, current] = [counter(), counter()];
  const key = randomBytes(4);
  const unregister = registry.register(7, key, old);
  unregister();
  await registry.cancel(7, key);
  expect(old.count).toBe(0);
  registry.register(7, key, current);
  unregister();
  await registry.cancel(7, key);
  expect([old.count, current.count, registry.size]).toEqual([0, 1, 1]);
});

test('sessions with one pid are told apart by their keys', async () => {
  const registry = new CancelRegistry();
  const [first, second] = [counter(), counter()];
  const [firstKey, secondKey] = [randomBytes(4), randomBytes(32)];
  registry.register(7, firstKey, first);
  registry.register(7, secondKey, second);
  await registry.cancel(7, secondKey);
  expect([first.count, second.count]).toEqual([0, 1]);
  expect(() => registry.register(7, firstKey, counter())).toThrow('pid 7');
});
