/** When the node reads the schema anew: changes that come one behind the other are read once, and whoever needs it need not wait for a pause. */

import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { PostgresCatalog } from '../../src/dialects/postgres/index.ts';
import { SchemaReader } from '../../src/node/schema-reader.ts';

/** Nothing passes but by its word. */
class HandClock implements Clock {
  #nowMs = 0;
  readonly #due: { atMs: number; callback: () => void }[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallTime(): Date {
    return systemClock.wallTime();
  }

  after(ms: number, callback: () => void): () => void {
    const one = { atMs: this.#nowMs + ms, callback };
    this.#due.push(one);
    return () => {
      const at = this.#due.indexOf(one);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#due.filter(({ atMs }) => atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#due.splice(this.#due.indexOf(next), 1);
      this.#nowMs = next.atMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }
}

function start() {
  const clock = new HandClock();
  const catalog = new PostgresCatalog();
  const readings: (() => void)[] = [];
  const load = (): Promise<void> => new Promise((resolve) => void readings.push(resolve));
  const reader = new SchemaReader({
    cluster: { membership: { active: ['a'] }, primary: { id: 'a' } },
    built: { catalog, load },
    clock,
    logger: { warn: () => undefined },
  } as unknown as ConstructorParameters<typeof SchemaReader>[0]);
  /** A schema statement that takes so long. */
  const statement = (ms: number): void => {
    const known = catalog.changing();
    clock.pass(ms);
    reader.changed(known);
  };
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return { clock, catalog, readings, reader, statement, settled };
}

test('schema reader: a stream of schema statements is read once, when it is over, however long each takes', async () => {
  const { clock, catalog, readings, statement, settled } = start();
  for (let n = 0; n < 50; n++) {
    statement(n % 2 === 0 ? 20 : 400);
    clock.pass(30);
  }
  expect(readings).toHaveLength(0);
  clock.pass(1000);
  expect(readings).toHaveLength(1);
  expect(catalog.underWay).toBe(50);
  readings[0]?.();
  await settled();
  expect(catalog.underWay).toBe(0);
});

test('schema reader: what changes while it reads is not read behind it at once', async () => {
  const { clock, catalog, readings, statement, settled } = start();
  statement(1);
  clock.pass(100);
  expect(readings).toHaveLength(1);
  statement(1);
  readings[0]?.();
  await settled();
  for (let n = 0; n < 20; n++) {
    statement(5);
    clock.pass(5);
    await settled();
  }
  expect(readings).toHaveLength(1);
  clock.pass(1000);
  expect(readings).toHaveLength(2);
  readings[1]?.();
  await settled();
  expect(catalog.underWay).toBe(0);
});

test('schema reader: a statement that depends on the schema has it read now', async () => {
  const { readings, reader, statement, settled } = start();
  statement(1);
  expect(reader.known(() => false)).toBeUndefined();
  expect(readings).toHaveLength(0);
  let known = false;
  void reader.known(() => true)?.then(() => (known = true));
  expect(readings).toHaveLength(1);
  statement(1);
  readings[0]?.();
  await settled();
  // What has changed meanwhile is read too before it is called known.
  expect({ known, readings: readings.length }).toEqual({ known: false, readings: 2 });
  readings[1]?.();
  await settled();
  expect(known).toBe(true);
});
