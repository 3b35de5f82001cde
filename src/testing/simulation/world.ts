/** What all simulated parts share: time, chance, the story, and the place where broken promises are reported. */

import { pause } from '../../base/index.ts';
import type { Flaw } from './flaws.ts';
import type { Profile } from './profile.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimClock } from './sim-clock.ts';
import { Story } from './story.ts';

export interface Violation {
  readonly what: string;
  readonly line: number;
}

export interface Refusal {
  readonly blame: 'client' | 'unfit';
  readonly sqlState: string;
}

export class World {
  readonly clock: SimClock;
  readonly story: Story;
  /** For latencies and chance on the way. */
  readonly random: SeededRandom;
  readonly profile: Profile;
  readonly flaw: Flaw | undefined;
  readonly violations: Violation[] = [];
  /** How often somebody has written to a member around Lockstep. */
  directWrites = 0;
  /** The next record that no replica has met yet is one that none of them can take, with this answer. */
  refuseNext: Refusal | undefined;
  readonly #refused = new Map<number, Refusal>();
  /** By CSN: when it was there for others to see, and when a node first heard that a replica refuses it. */
  readonly #committedAt = new Map<number, number>();
  readonly #refusalHeardAt = new Map<number, number>();
  #metUpTo = 0;
  /** Called at every message on the network: where faults strike. */
  onStep: (step: number) => void = () => undefined;
  /** By term: the machine that committed for it. */
  readonly #writers = new Map<number, string>();
  #steps = 0;
  #moment = 0;

  constructor(random: SeededRandom, profile: Profile, flaw: Flaw | undefined) {
    this.clock = new SimClock(random.fork());
    this.story = new Story(this.clock);
    this.random = random.fork();
    this.profile = profile;
    this.flaw = flaw;
  }

  get steps(): number {
    return this.#steps;
  }

  step(): void {
    this.#steps += 1;
    this.onStep(this.#steps);
  }

  /** Grows with every call: orders what happens within one instant. */
  moment(): number {
    return ++this.#moment;
  }

  pause(ms: number): Promise<void> {
    return pause(this.clock, ms);
  }

  /** A replica is about to apply this record. Undefined: it can. */
  refusalOf(csn: number): Refusal | undefined {
    if (csn > this.#metUpTo && this.refuseNext !== undefined) {
      this.#refused.set(csn, this.refuseNext);
      this.refuseNext = undefined;
      this.story.tell('FAULT', `CSN ${csn} can be applied by nobody`);
    }
    this.#metUpTo = Math.max(this.#metUpTo, csn);
    return this.#refused.get(csn);
  }

  /** A member has committed it. */
  committed(csn: number): void {
    if (!this.#committedAt.has(csn)) this.#committedAt.set(csn, this.moment());
  }

  refusalHeard(csn: number): void {
    if (this.#refused.has(csn) && !this.#refusalHeardAt.has(csn))
      this.#refusalHeardAt.set(csn, this.moment());
  }

  /** When this one could be seen, and nobody knew yet that no replica can apply it. */
  unsuspected(csn: number): { readonly from: number; readonly until: number } {
    return {
      from: this.#committedAt.get(csn) ?? Infinity,
      until: this.#refusalHeardAt.get(csn) ?? -Infinity,
    };
  }

  /** At most one node writes in a term. */
  wrote(term: number, machine: string): void {
    const writer = this.#writers.get(term) ?? machine;
    this.#writers.set(term, writer);
    if (writer !== machine) this.violated('G7', `${machine} and ${writer} both write in term ${term}`);
  }

  flawed(flaw: Flaw): boolean {
    return this.flaw === flaw;
  }

  /** `line`: where in the story it went wrong, when that was long before it was noticed. */
  violated(guarantee: string, what: string, line?: number): void {
    this.story.tell('CHECKER', `${guarantee}: ${what}`);
    this.violations.push({ what: `${guarantee}: ${what}`, line: line ?? this.story.length });
  }
}
