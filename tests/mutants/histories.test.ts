/** For mutants of the engine: they must break a promise in one of these histories. Without a mutant `tests/simulation` has more. */

import { expect, test } from 'vitest';
import { mustHold } from '../simulation/run-histories.ts';

const seedsMax = 3000;
const msMax = 240_000;

test.runIf(process.env['MUTANT'] !== undefined)(
  'simulation: every promise is kept',
  { timeout: msMax + 60_000 },
  async () => {
    const until = performance.now() + msMax;
    let seed = 1;
    while (seed <= seedsMax && performance.now() < until) await mustHold(seed++);
    expect(seed).toBeGreaterThan(1);
  },
);
