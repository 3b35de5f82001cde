/** Time, handed in: the engine never reads a clock of its own, so that a simulated one can drive it. */
export interface Clock {
  /** Milliseconds on a clock that only moves forward. For deadlines and latencies. */
  monotonicMs(): number;
  /** The date, for people, and for what is due at a time of day. Nothing else is decided by it. */
  wallTime(): Date;
  /** Calls back after `ms`; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallTime: () => new Date(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or at once when `signal` ends (no rejection: the caller looks at the signal). */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Rejects with `onLate()` when `work` has not settled within `ms`. The work itself is not stopped: that is the caller's. */
export function withDeadline<T>(clock: Clock, ms: number, work: Promise<T>, onLate: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(onLate()));
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
