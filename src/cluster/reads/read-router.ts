/** Which member answers a read. Only members that have applied what the session may have seen are asked at all. */

import { assertNever } from '../../base/index.ts';

export type Balancer = 'least-loaded' | 'round-robin' | 'random' | 'simple';

export interface Reader {
  readonly id: string;
  readonly weight: number;
  readonly appliedCsn: number;
  readonly inFlight: number;
  readonly latencyMs: number;
}

export class ReadRouter {
  readonly #balancer: Balancer;
  readonly #random: () => number;
  #turn = 0;

  constructor(options: { balancer: Balancer; random: () => number }) {
    this.#balancer = options.balancer;
    this.#random = options.random;
  }

  /** Undefined: nobody qualifies, which leaves the primary. Weight 0 is asked only when nobody else is there. */
  choose<R extends Reader>(
    readers: readonly R[],
    seenCsn: number,
    tried: ReadonlySet<string>,
  ): R | undefined {
    const fit = readers.filter((reader) => reader.appliedCsn >= seenCsn && !tried.has(reader.id));
    const weighted = fit.filter((reader) => reader.weight > 0);
    const candidates = weighted.length > 0 ? weighted : fit;
    switch (this.#balancer) {
      case 'least-loaded':
        return least(candidates);
      case 'round-robin':
        return slotOf(candidates, this.#turn++);
      case 'random':
        return slotOf(candidates, Math.floor(this.#random() * totalWeight(candidates)));
      case 'simple':
        return candidates.reduce<R | undefined>(
          (best, reader) => (best === undefined || reader.weight > best.weight ? reader : best),
          undefined,
        );
      default:
        return assertNever(this.#balancer);
    }
  }
}

/** Fewest requests in flight for the weight, the new one counted; then the lowest recent latency. */
function least<R extends Reader>(candidates: readonly R[]): R | undefined {
  let best: R | undefined;
  let bestLoad = Infinity;
  for (const reader of candidates) {
    const load = (reader.inFlight + 1) / Math.max(reader.weight, 0.001);
    if (load < bestLoad || (load === bestLoad && best !== undefined && reader.latencyMs < best.latencyMs)) {
      best = reader;
      bestLoad = load;
    }
  }
  return best;
}

function totalWeight(candidates: readonly Reader[]): number {
  return candidates.reduce((sum, reader) => sum + Math.max(1, reader.weight), 0);
}

function slotOf<R extends Reader>(candidates: readonly R[], turn: number): R | undefined {
  let left = turn % Math.max(1, totalWeight(candidates));
  for (const reader of candidates) {
    left -= Math.max(1, reader.weight);
    if (left < 0) return reader;
  }
  return candidates[0];
}
