import { messageOf, pause, systemClock } from '../../src/base/index.ts';

export interface WaitForOptions {
  /** Completes the sentence "waited for …". */
  readonly what: string;
  readonly timeoutMs?: number;
}

const periodMs = 10;

/** Asks until the answer is truthy, and returns it. A condition that throws is asked again; at the end its error is shown. */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitForOptions): Promise<T> {
  const { what, timeoutMs = 10_000 } = options;
  const deadline = systemClock.monotonicMs() + timeoutMs;
  for (;;) {
    let last: string;
    try {
      const answer = await condition();
      if (answer) return answer;
      last = `the last answer was ${JSON.stringify(answer)}`;
    } catch (error) {
      last = `the last error was: ${messageOf(error)}`;
    }
    if (systemClock.monotonicMs() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; ${last}`);
    await pause(systemClock, periodMs);
  }
}
