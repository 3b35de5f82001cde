import type { Clock } from '../../../src/base/index.ts';
import { systemClock } from '../../../src/base/index.ts';

/** Real timers, but the time that decisions are made with only moves when it is told to. */
export class ManualClock implements Clock {
  nowMs = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallTime(): Date {
    return systemClock.wallTime();
  }

  after(ms: number, callback: () => void): () => void {
    return systemClock.after(ms, callback);
  }
}
