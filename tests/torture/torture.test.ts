/**
 * The real world for a while, with a fresh seed: `TORTURE_SEED` repeats the faults of a run, `TORTURE_SECONDS` says for
 * how long. What is broken leaves its history in `torture-<seed>`, below `TORTURE_EVIDENCE`.
 */

import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { torture } from '../../src/testing/torture/index.ts';

const seed = Number(process.env['TORTURE_SEED'] ?? randomInt(1, 2 ** 31));
const seconds = Number(process.env['TORTURE_SECONDS'] ?? 180);

test(
  `torture: every promise is kept for ${seconds} s of faults, TORTURE_SEED=${seed}`,
  async () => {
    const story: string[] = [];
    const report = await torture({
      seed,
      seconds,
      clients: 6,
      evidenceDir: process.env['TORTURE_EVIDENCE'] ?? tmpdir(),
      show: (line) => story.push(line),
      signal: new AbortController().signal,
    });
    const { acknowledged, inDoubt, errors, faults, convictions, evidence } = report;
    console.log(
      `TORTURE_SEED=${seed}: ${acknowledged} operations acknowledged, ${inDoubt} in doubt, ${errors} errors; ${JSON.stringify(faults)}`,
    );
    if (convictions.length > 0) console.log(`${story.slice(-40).join('\n')}\nEvidence: ${evidence}`);
    expect(convictions).toEqual([]);
    expect(acknowledged).toBeGreaterThan(20);
  },
  seconds * 1000 + 900_000,
);
