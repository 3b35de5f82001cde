export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

export interface Spread {
  readonly min: number;
  readonly max: number;
}

/** How far the ratio went in single rounds: each measurement against the other system's in the same round. */
export function ratioSpread(values: readonly number[], against: readonly number[]): Spread {
  const ratios = values.flatMap((value, round) => {
    const other = against[round];
    return other === undefined ? [] : [value / other];
  });
  return { min: Math.min(...ratios), max: Math.max(...ratios) };
}
