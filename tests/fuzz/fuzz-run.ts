/**
 * Random cases for so long, from a seed that is said: `FUZZ_SEED=… FUZZ_SECONDS=… npx vitest run tests/fuzz`. `FUZZ_PATH=…` begins with
 * the case that a failure names.
 */

import * as fc from 'fast-check';

const given = process.env['FUZZ_SEED'];

/** The same seed makes the same cases in the same order. */
const seed = given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given);

/** The place of the first case in their order. */
const path = process.env['FUZZ_PATH'];

/** Of all fuzzing together. */
const secondsInAll = Number(process.env['FUZZ_SECONDS'] ?? 60);

const runsMax = 1_000_000_000;

/** A process that stays up although nobody cares for an error would end in the field. */
const uncared: string[] = [];
process.on('unhandledRejection', (error) =>
  uncared.push(String((error as Error | undefined)?.stack ?? error)),
);
process.on('uncaughtException', (error) => uncared.push(String(error.stack ?? error)));

export interface FuzzShare {
  /** Of the time for all. */
  readonly share: number;
  /** Several at the same time have other cases. */
  readonly lane?: number;
}

/** How long a test with this share may take: what is found is made smaller behind its time. */
export function fuzzTimeoutMs({ share }: FuzzShare): number {
  return secondsInAll * share * 1000 + 180_000;
}

/** Fails with the smallest case found, and how to see it again. */
export async function fuzz<T>(
  what: string,
  cases: fc.Arbitrary<T>,
  { share, lane = 0 }: FuzzShare,
  check: (one: T) => Promise<void>,
): Promise<void> {
  let running = Promise.resolve();
  let latest: T | undefined;
  let begun = 0;
  const property = fc.asyncProperty(cases, async (one) => {
    latest = one;
    begun += 1;
    running = check(one);
    await running;
    const [first] = uncared.splice(0);
    if (first !== undefined) throw new Error(`an error for which nobody cares: ${first}`);
  });
  const details = await fc.check(property, {
    seed: seed + lane,
    ...(path !== undefined && { path }),
    numRuns: runsMax,
    interruptAfterTimeLimit: secondsInAll * share * 1000,
  });
  console.log(`${what}: ${details.numRuns} cases, FUZZ_SEED=${seed}`);
  if (details.counterexample !== null) {
    const report = fc.defaultReportMessage(details);
    throw new Error(`${what}: FUZZ_SEED=${seed}\n${report}`, { cause: details.errorInstance });
  }
  // The time may have been over in the middle of one, and be it the first.
  await running.catch((error: unknown) => {
    const at = Number.parseInt(path ?? '0', 10) + begun - 1;
    const again = `FUZZ_SEED=${seed} FUZZ_PATH=${at}`;
    throw new Error(`${what}: behind its time, ${again}\n${fc.stringify(latest)}\n${String(error)}`, {
      cause: error,
    });
  });
}
