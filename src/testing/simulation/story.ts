/** What happened, with its time: some of it for people, all of it as one number to compare two runs by. */

import { crc32 } from 'node:zlib';
import type { Clock } from '../../base/index.ts';

const shownLines = 60;

export class Story {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #lines: string[] = [];
  #digest = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  get digest(): number {
    return this.#digest;
  }

  get length(): number {
    return this.#lines.length;
  }

  tell(who: string, what: string): void {
    const line = `${this.#clock.monotonicMs().toFixed(3).padStart(10)}  ${who.padEnd(8)} ${what}`;
    this.#digest = crc32(line, this.#digest);
    this.#lines.push(line);
  }

  /** The last of what happened before the line with this number. */
  before(line: number): readonly string[] {
    return this.#lines.slice(Math.max(0, line - shownLines), line);
  }
}
