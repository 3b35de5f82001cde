/** When the next verification of everything is due. */

import type { Clock } from '../../base/index.ts';
import type { VerificationSettings } from '../world.ts';

/** Minutes since midnight, where the node runs. `from` above `to`: over midnight. */
export interface DayWindow {
  readonly from: number;
  readonly to: number;
}

/** Timers are no longer than this: the clock on the wall may be set meanwhile, and the settings changed. */
const tickMs = 3_600_000;

/** Milliseconds from `now`. The first one counts from the start of the node. */
export function dueInMs(
  now: Date,
  lastMs: number,
  { everyMs, window }: Pick<VerificationSettings, 'everyMs' | 'window'>,
): number {
  // A last one in the future is a clock that was set back: nothing is put off for longer than it would be now.
  const due = Math.min(Math.max(lastMs + everyMs, now.getTime()), now.getTime() + everyMs);
  return Math.round((window === undefined ? due : firstWithin(window, new Date(due))) - now.getTime());
}

function firstWithin({ from, to }: DayWindow, date: Date): number {
  const minute = date.getHours() * 60 + date.getMinutes();
  const inside = from <= to ? minute >= from && minute < to : minute >= from || minute < to;
  if (inside) return date.getTime();
  const begin = new Date(date);
  begin.setHours(0, from, 0, 0);
  if (begin.getTime() < date.getTime()) begin.setDate(begin.getDate() + 1);
  return begin.getTime();
}

export class Schedule {
  readonly #clock: Clock;
  readonly #settings: () => VerificationSettings;
  readonly #run: () => void;
  #cancel: (() => void) | undefined;
  #dueMs: number | undefined;

  constructor(options: { clock: Clock; settings: () => VerificationSettings; run: () => void }) {
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#run = options.run;
  }

  /** Until the next one; undefined when there is none. */
  get dueInMs(): number | undefined {
    return this.#dueMs === undefined ? undefined : Math.max(0, this.#dueMs - this.#clock.monotonicMs());
  }

  /** The last one ended then, by the clock on the wall. */
  next(lastMs: number): void {
    this.stop();
    const settings = this.#settings();
    if (settings.everyMs === 0) return;
    const ms = dueInMs(this.#clock.wallTime(), lastMs, settings);
    this.#dueMs = this.#clock.monotonicMs() + ms;
    this.#cancel = this.#clock.after(Math.min(ms, tickMs), () => {
      if (ms > tickMs) this.next(lastMs);
      else this.#run();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#dueMs = undefined;
  }
}
