/**
 * Durations in buckets that grow by a quarter of an octave, from 0.05 ms to 100 s: any percentile is known to within 10 %,
 * and two readings of the counts give the percentiles of the time between them. To add one costs a logarithm and three additions.
 */

const FIRST_MS = 0.05;
const STEPS_PER_OCTAVE = 4;
const OCTAVES = 21;
const BUCKETS = OCTAVES * STEPS_PER_OCTAVE + 2;

export class Histogram {
  /** Index 0 takes everything up to the first bound, the last one everything above the last. */
  readonly counts = new Float64Array(BUCKETS);
  count = 0;
  sumMs = 0;

  add(ms: number): void {
    const step = ms <= FIRST_MS ? 0 : Math.ceil(Math.log2(ms / FIRST_MS) * STEPS_PER_OCTAVE);
    const bucket = step < BUCKETS ? step : BUCKETS - 1;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.count += 1;
    this.sumMs += ms;
  }

  /** Upper bounds in octaves, with how many durations were not longer. For a monitoring system, which needs no finer ones. */
  cumulative(): readonly { readonly upToMs: number; readonly count: number }[] {
    const rows: { upToMs: number; count: number }[] = [];
    let total = 0;
    for (let step = 0; step < BUCKETS - 1; step += 1) {
      total += this.counts[step] as number;
      if (step % STEPS_PER_OCTAVE === 0) rows.push({ upToMs: boundOf(step), count: total });
    }
    return rows;
  }
}

/** The duration that a share `q` of those counted between two readings did not exceed; null when there were none. */
export function quantileBetween(before: Float64Array, after: Float64Array, q: number): number | null {
  let total = 0;
  for (let step = 0; step < BUCKETS; step += 1) total += (after[step] as number) - (before[step] as number);
  if (total <= 0) return null;
  const wanted = q * total;
  let seen = 0;
  for (let step = 0; step < BUCKETS; step += 1) {
    const here = (after[step] as number) - (before[step] as number);
    if (here > 0 && seen + here >= wanted) {
      const low = step === 0 ? 0 : boundOf(step - 1);
      return low + (boundOf(step) - low) * ((wanted - seen) / here);
    }
    seen += here;
  }
  return boundOf(BUCKETS - 1);
}

function boundOf(step: number): number {
  return FIRST_MS * 2 ** (step / STEPS_PER_OCTAVE);
}
