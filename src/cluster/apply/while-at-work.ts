/** Waits for a member that applies, for as long as it has time or is seen to be at work. */

import { pause, withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';

/** How long it is asked whether it is. */
const askMs = 2_000;
/** Its answer, or what it is to do next, may be on the way just then: idle twice in a row, it is. */
const secondLookMs = 500;

export interface Waiting {
  readonly clock: Clock;
  /** By the monotonic clock: from then on it has to be seen at work, every `everyMs`. */
  readonly untilMs: number;
  readonly everyMs: number;
  /** Nobody waits longer. */
  readonly utmostMs: number;
  /** Undefined: nothing was given to it. */
  isAtWork(): Promise<boolean> | undefined;
  late(): Error;
}

/** No error of anybody's, so it needs no stack; one is made for each batch otherwise. */
const overdue = new Error('overdue');

/** Deadlines in round figures: timers of the same length cost least, and nobody is harmed by so little more. */
const roundedToMs = 50;

export async function whileAtWork<T>(work: Promise<T>, waiting: Waiting): Promise<T> {
  const { clock, everyMs, utmostMs } = waiting;
  for (let { untilMs } = waiting; ; untilMs = Math.min(clock.monotonicMs() + everyMs, utmostMs)) {
    try {
      const leftMs = Math.max(1, Math.ceil((untilMs - clock.monotonicMs()) / roundedToMs) * roundedToMs);
      return await withDeadline(clock, leftMs, work, () => overdue);
    } catch (error) {
      if (error !== overdue) throw error;
      if (clock.monotonicMs() >= utmostMs || !(await isAtWork(work, waiting))) throw waiting.late();
    }
  }
}

/** Or it is done meanwhile. */
async function isAtWork(work: Promise<unknown>, waiting: Waiting): Promise<boolean> {
  const { clock } = waiting;
  const done = work.then(
    () => true,
    () => true,
  );
  const asked = waiting.isAtWork();
  if (asked === undefined) return false;
  const known = (asking: Promise<boolean> | undefined): Promise<boolean> =>
    withDeadline(
      clock,
      askMs,
      Promise.race([done, asking ?? Promise.resolve(false)]),
      () => new Error('late'),
    ).catch(() => false);
  if (await known(asked)) return true;
  await Promise.race([done, pause(clock, secondLookMs)]);
  return await known(waiting.isAtWork());
}
