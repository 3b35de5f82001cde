import { describe, expect, test } from 'vitest';
import { flaws, simulate } from '../../src/testing/simulation/index.ts';
import type { Flaw } from '../../src/testing/simulation/index.ts';
import { convict, describeVerdict } from './run-histories.ts';

describe('simulation: the same seed is the same history', () => {
  test('down to the last event, run after run', async () => {
    for (const seed of [3, 29, 35, 404]) {
      const [one, two] = [await simulate({ seed }), await simulate({ seed })];
      expect(two).toEqual(one);
    }
  });

  test('also when several are run at once', async () => {
    const seeds = [3, 29, 35, 404];
    const alone = [];
    for (const seed of seeds) alone.push((await simulate({ seed })).digest);
    const together = await Promise.all(seeds.map((seed) => simulate({ seed })));
    expect(together.map(({ digest }) => digest)).toEqual(alone);
  });

  test('and another seed is another history', async () => {
    const digests = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) digests.add((await simulate({ seed })).digest);
    expect(digests.size).toBe(20);
  });
});

describe('simulation: the checkers notice', () => {
  for (const [flaw, what] of Object.entries(flaws) as [Flaw, string][]) {
    test(`that ${what}`, async () => {
      const verdict = await convict(flaw, 400);
      expect(verdict, `nobody noticed that ${what}`).toBeDefined();
      expect(verdict?.story.length).toBeGreaterThan(0);
      expect(verdict?.story.length).toBeLessThanOrEqual(60);
      if (verdict !== undefined) expect(describeVerdict(verdict)).toContain(`SEED=${verdict.seed}`);
    }, 120_000);
  }
});
