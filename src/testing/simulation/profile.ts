/** What kind of history this is: drawn once, so that histories differ from each other and not only within themselves. */

import type { ClusterSettings, SessionLimits } from '../../cluster/index.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface Profile {
  readonly members: readonly string[];
  readonly clients: number;
  readonly transactionsEach: number;
  /** Between two transactions of a client, and now and then within one. */
  readonly thinkMs: number;
  readonly lists: number;
  readonly accounts: number;
  readonly faults: number;
  /** How likely a call loses its connection. */
  readonly cutRate: number;
  readonly saveFailRate: number;
  readonly commitRefusedRate: number;
  /** Read of a commit log at a time. */
  readonly pageBytes: number;
  /** Of the network, one way. */
  readonly latencyMs: number;
  readonly settings: ClusterSettings;
  readonly limits: SessionLimits;
}

const clusterId = 'simulated';
export const accountStart = 100;

export function drawProfile(random: SeededRandom): Profile {
  const members = ['a', 'b', 'c'].slice(0, random.happens(0.2) ? 2 : 3);
  return {
    members,
    clients: 2 + random.below(4),
    transactionsEach: 5 + random.below(8),
    thinkMs: random.pick([0.5, 3, 20]),
    lists: 1 + random.below(3),
    accounts: 3,
    faults: random.below(6),
    cutRate: random.pick([0, 0.003, 0.02]),
    saveFailRate: random.pick([0, 0, 0.2]),
    commitRefusedRate: random.pick([0, 0.1]),
    pageBytes: random.pick([100, 1 << 20]),
    latencyMs: random.pick([0.2, 1, 4]),
    settings: {
      clusterId,
      balancer: random.pick(['least-loaded', 'round-robin', 'random', 'simple'] as const),
      probe: { intervalMs: 50, timeoutMs: 100, threshold: 2, backOffMaxMs: 200 },
      commitMs: random.pick([60, 400]),
      outageMs: 3_600_000,
      switchMs: random.pick([5, 60]),
      applyBatch: random.pick([1, 3, 64]),
      sync: {
        automatic: true,
        retryMs: 20,
        retryMaxMs: 300,
        quarantineFailures: 3,
        quarantineMs: 500,
        maxBytesPerSecond: 0,
        holdMs: 50,
      },
      verification: {
        everyMs: random.pick([0, 0, 0, 200]),
        window: undefined,
        maxBytesPerSecond: 0,
        sampleMs: 0,
      },
      log: { segments: 4, segmentBytes: random.pick([500, 1500, 1 << 20]), segmentMs: 3_600_000 },
    },
    limits: {
      heldAnswerBytes: random.pick([10, 65_536]),
      replayBytes: random.pick([60, 65_536]),
      replayStatements: 50,
      replayMs: 2000,
      outageMs: 3_600_000,
      largeBytes: random.pick([40, 1 << 20]),
      largeRows: random.pick([2, 1000]),
    },
  };
}
