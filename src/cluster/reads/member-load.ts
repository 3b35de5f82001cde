import type { Reader } from './read-router.ts';

/** How busy a member is with this node's requests. */
export class MemberLoad implements Reader {
  readonly id: string;
  weight: number;
  appliedCsn = 0;
  inFlight = 0;
  /** Of recent requests, the newest counting most. */
  latencyMs = 0;
  /** Under inquiry: not asked for reads until it is cleared. */
  suspect = false;
  requests = 0;
  /** Sessions that read here as long as nothing speaks against it. */
  homes = 0;

  constructor(id: string, weight: number) {
    this.id = id;
    this.weight = weight;
  }

  started(): void {
    this.inFlight += 1;
    this.requests += 1;
  }

  ended(tookMs: number): void {
    this.inFlight -= 1;
    this.latencyMs += (tookMs - this.latencyMs) * 0.1;
  }
}
