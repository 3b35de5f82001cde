/** What will go wrong in a round, and when: drawn before it begins, from the seed alone. */

import type { SeededRandom } from '../../simulation/seeded-random.ts';
import { faultKinds } from './fault.ts';
import type { FaultKind, FaultName } from './fault.ts';

export interface PlannedFault {
  readonly name: FaultName;
  /** From the beginning of the round. */
  readonly atMs: number;
  readonly lastsMs: number;
  /** A member's place, or whoever is the primary then; of no meaning where no member is meant. */
  readonly target: number | 'primary';
}

export interface PlanOptions {
  readonly random: SeededRandom;
  readonly durationMs: number;
  readonly faults: readonly FaultName[];
  readonly members: number;
}

const firstMs = 500;
const gapMs = { min: 200, max: 4000 };
/** One in so many begins while the one before it still lasts. */
const overlapping = 0.3;

export function drawPlan({ random, durationMs, faults, members }: PlanOptions): readonly PlannedFault[] {
  const plan: PlannedFault[] = [];
  if (faults.length === 0) return plan;
  for (let atMs = firstMs + random.between(0, gapMs.max); atMs < durationMs; ) {
    const name = pickFault(random, faults);
    const kind: FaultKind = faultKinds[name];
    const lastsMs = random.between(0, kind.lastsMsMax);
    // Only the last member may have a small disk.
    const anybody = random.happens(0.4) ? 'primary' : random.below(members);
    plan.push({ name, atMs, lastsMs, target: kind.needs === 'small disk' ? members - 1 : anybody });
    atMs += random.happens(overlapping)
      ? random.between(0, lastsMs)
      : lastsMs + random.between(gapMs.min, gapMs.max);
  }
  return plan;
}

function pickFault(random: SeededRandom, faults: readonly FaultName[]): FaultName {
  let left = random.next() * faults.reduce((sum, name) => sum + faultKinds[name].often, 0);
  return faults.find((name) => (left -= faultKinds[name].often) < 0) ?? faults[0] ?? 'cut';
}
