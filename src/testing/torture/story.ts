/** What happened, for people: faults, starts, verdicts, each with its second. */

import { systemClock } from '../../base/index.ts';

export class Story {
  readonly lines: string[] = [];
  readonly #startedMs = systemClock.monotonicMs();
  readonly #show: (line: string) => void;

  constructor(show: (line: string) => void) {
    this.#show = show;
  }

  tell(what: string): void {
    const line = `${this.secondOf(systemClock.monotonicMs())}  ${what}`;
    this.lines.push(line);
    this.#show(line);
  }

  secondOf(atMs: number): string {
    return `${((atMs - this.#startedMs) / 1000).toFixed(1).padStart(7)} s`;
  }
}
