/** What readers were shown of counters that only ever grow, held against what had been acknowledged when they asked. */

export interface Reading {
  readonly session: number;
  readonly counter: number;
  /** The highest value whose acknowledgement had arrived, anywhere, before this read was sent. */
  readonly acknowledged: number;
  readonly shown: number;
}

/** Every reading that missed an acknowledged write, or went back behind what its own session had been shown before. */
export function findStepsBack(readings: readonly Reading[]): readonly string[] {
  const seen = new Map<string, number>();
  return readings.flatMap(({ session, counter, acknowledged, shown }) => {
    const key = `${session}/${counter}`;
    const before = seen.get(key) ?? 0;
    seen.set(key, Math.max(before, shown));
    const faults: string[] = [];
    if (shown < acknowledged)
      faults.push(`session ${session} missed ${acknowledged} of counter ${counter}: it was shown ${shown}`);
    if (shown < before)
      faults.push(`session ${session} went back from ${before} to ${shown} of counter ${counter}`);
    return faults;
  });
}
