import { describe, expect, test } from 'vitest';
import { mustHold } from './run-histories.ts';

const seconds = Number(process.env['SIMULATION_SECONDS'] ?? 120);
const only = process.env['SEED'];
const first = only === undefined ? Math.floor(Math.random() * 0x4000_0000) : Number(only);

describe('simulation: every promise is kept', () => {
  test.runIf(only !== undefined)(
    `in the history of SEED=${only}`,
    async () => {
      await mustHold(first);
    },
    120_000,
  );

  test.skipIf(only !== undefined)(
    `in fresh histories for ${seconds} s, from SEED=${first} on`,
    async () => {
      const until = performance.now() + seconds * 1000;
      let histories = 0;
      let acknowledged = 0;
      while (performance.now() < until) {
        const verdict = await mustHold(first + histories);
        histories += 1;
        acknowledged += verdict.acknowledged;
      }
      console.log(`${histories} histories from SEED=${first} on, ${acknowledged} acknowledged commits`);
      expect(acknowledged).toBeGreaterThan(histories);
    },
    seconds * 1000 + 60_000,
  );
});
