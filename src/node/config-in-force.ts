/** The configuration that the node works by: what it was started with, and what it has taken over since. */
import type { ClusterSettings } from '../cluster/index.ts';
import type { Config } from '../config/index.ts';
import { logSegments } from '../dialects/postgres/index.ts';

export class ConfigInForce {
  #now: Config;

  constructor(config: Config) {
    this.#now = config;
  }

  get now(): Config {
    return this.#now;
  }

  /** All of it at once, from one moment to the next. */
  take(config: Config): void {
    this.#now = config;
  }
}

/** In the engine's words. It reads each of them when it needs it, so that a change is in force at once. */
export function clusterSettings(inForce: ConfigInForce): ClusterSettings {
  const { cluster, limits, log } = inForce.now;
  return {
    clusterId: cluster,
    get balancer() {
      return inForce.now.balancer;
    },
    get probe() {
      return inForce.now.probe;
    },
    get commitMs() {
      return inForce.now.deadlines.commitMs;
    },
    get outageMs() {
      return inForce.now.deadlines.outageMs;
    },
    get switchMs() {
      return inForce.now.deadlines.switchMs;
    },
    applyBatch: limits.applyBatch,
    get sync() {
      const { sync, verification } = inForce.now;
      const { automatic, retryMaxMs, quarantineFailures, quarantineMinutes, maxBytesPerSecond } = sync;
      return {
        automatic,
        retryMs: 1000,
        retryMaxMs,
        quarantineFailures,
        quarantineMs: quarantineMinutes * 60_000,
        maxBytesPerSecond,
        holdMs: verification.holdMs,
      };
    },
    get verification() {
      const { everyMinutes, maxBytesPerSecond, sampleMs, window } = inForce.now.verification;
      return { everyMs: everyMinutes * 60_000, window, maxBytesPerSecond, sampleMs };
    },
    log: {
      segments: logSegments,
      segmentBytes: log.retentionBytes / logSegments,
      segmentMs: (log.retentionMinutes * 60_000) / logSegments,
    },
  };
}
