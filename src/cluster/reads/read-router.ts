/** Which member answers a read. Only members that have applied what the session may have seen are asked at all. */

import { assertNever } from '../../base/index.ts';
import type { ReadPlace } from './read-place.ts';

export type Balancer = 'least-loaded' | 'round-robin' | 'random' | 'simple';

export interface Reader {
  readonly id: string;
  readonly weight: number;
  readonly appliedCsn: number;
  readonly inFlight: number;
  readonly latencyMs: number;
  homes: number;
}

export class ReadRouter {
  readonly #balancer: () => Balancer;
  readonly #random: () => number;
  #turn = 0;

  constructor(options: { balancer: () => Balancer; random: () => number }) {
    this.#balancer = options.balancer;
    this.#random = options.random;
  }

  /** Undefined: nobody qualifies, which leaves the primary. Weight 0 is asked only when nobody else is there. */
  choose<R extends Reader>(
    readers: readonly R[],
    place: ReadPlace,
    tried: ReadonlySet<string>,
  ): R | undefined {
    const fit = readers.filter((reader) => place.allows(reader) && !tried.has(reader.id));
    const weighted = fit.filter((reader) => reader.weight > 0);
    const candidates = weighted.length > 0 ? weighted : fit;
    const balancer = this.#balancer();
    switch (balancer) {
      case 'least-loaded':
        return least(candidates, readers, place);
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
        return assertNever(balancer);
    }
  }
}

/**
 * A session stays where it is at home, because there its connection is warm and its statements are prepared, unless that
 * member is more than twice as busy or as slow as the least loaded one. At first its home is where the fewest are. While
 * its home is only behind, another answers, and it does not move: the primary is never behind, and would draw all of them.
 */
function least<R extends Reader>(
  candidates: readonly R[],
  readers: readonly R[],
  place: ReadPlace,
): R | undefined {
  const { home } = place;
  const there = candidates.find((reader) => reader === home);
  const isBehind = there === undefined && readers.some((reader) => reader === home);
  const best = lowest(candidates, loadOf);
  const stay = there ?? lowest(candidates, crowdOf);
  if (best === undefined || stay === undefined) return undefined;
  const tooBusy = loadOf(stay) > 2 * loadOf(best) + 1;
  const tooSlow = stay.latencyMs > 2 * best.latencyMs + slowByMs;
  const chosen = tooBusy || tooSlow ? best : stay;
  if (!isBehind) place.moveTo(chosen);
  return chosen;
}

/** A difference that is worth a move. */
const slowByMs = 2;

function lowest<R extends Reader>(readers: readonly R[], of: (reader: R) => number): R | undefined {
  let best: R | undefined;
  for (const reader of readers) if (best === undefined || of(reader) < of(best)) best = reader;
  return best;
}

/** Requests in flight for the weight, the new one counted. */
function loadOf(reader: Reader): number {
  return (reader.inFlight + 1) / weightOf(reader);
}

/** Sessions at home for the weight, the new one counted. */
function crowdOf(reader: Reader): number {
  return (reader.homes + 1) / weightOf(reader);
}

function weightOf({ weight }: Reader): number {
  return Math.max(weight, 0.001);
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
