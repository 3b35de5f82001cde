/** How long a replica may take for what it is given to apply. */

/** It may be as much slower than the primary. */
export const timesSlower = 3;

export interface Allowance {
  /** Then it has to be seen at work. */
  readonly deadlineMs: number;
  /** Then it is late, whatever it does: all clients wait for it. */
  readonly utmostMs: number;
}

/**
 * Large work takes its time: a second for each MB, which a busy machine needs. What is small may be much work all the same (an index, a
 * function in one): `primaryMs` says how long the primary was at it, `outageMs` how long clients bear a member in any case.
 */
export function allowanceFor(
  work: { readonly bytes: number; readonly primaryMs: number },
  { commitMs, outageMs }: { readonly commitMs: number; readonly outageMs: number },
): Allowance {
  const deadlineMs = commitMs + (work.bytes / (1 << 20)) * 1000;
  return { deadlineMs, utmostMs: deadlineMs + Math.max(outageMs, timesSlower * work.primaryMs) };
}
