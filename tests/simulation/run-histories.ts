import { simulate } from '../../src/testing/simulation/index.ts';
import type { Flaw, Verdict } from '../../src/testing/simulation/index.ts';

/** What went wrong, what led to it, and how to see it again. */
export function describeVerdict({ seed, violations, story }: Verdict): string {
  return [
    `SEED=${seed} broke ${violations.length} promises:`,
    ...violations.slice(0, 10).map((violation) => `  - ${violation}`),
    'What happened until then:',
    ...story,
    `To see it again: SEED=${seed} npx vitest run tests/simulation`,
  ].join('\n');
}

/** Throws at the first history that breaks a promise. */
export async function mustHold(seed: number): Promise<Verdict> {
  const verdict = await simulate({ seed });
  if (verdict.violations.length > 0) throw new Error(describeVerdict(verdict));
  return verdict;
}

/** The first verdict against a world with this flaw; undefined when it went unnoticed. */
export async function convict(flaw: Flaw, seeds: number): Promise<Verdict | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const verdict = await simulate({ seed, flaw });
    if (verdict.violations.length > 0) return verdict;
  }
  return undefined;
}
