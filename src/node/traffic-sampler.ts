/** One sample of the traffic each second, of the last quarter of an hour. It costs the same whether anybody looks or not: next to nothing. */

import type { Clock } from '../base/index.ts';
import type { MemberTraffic, Percentiles, TrafficSample } from '../admin/index.ts';
import type { Cluster, RequestKind, Traffic } from '../cluster/index.ts';
import { quantileBetween } from '../telemetry/index.ts';

export interface TrafficSamplerParts {
  readonly cluster: Cluster;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly clients: () => number;
  readonly memberIds: () => readonly string[];
  readonly lagOf: (id: string) => number | null;
}

const EVERY_MS = 1000;
const SAMPLES_MAX = 900;

interface Reading {
  readonly atMs: number;
  readonly csn: number;
  readonly reads: number;
  readonly requests: ReadonlyMap<string, number>;
  readonly counts: Readonly<Record<RequestKind, Float64Array>>;
}

export class TrafficSampler {
  readonly #parts: TrafficSamplerParts;
  readonly #listeners = new Set<(sample: TrafficSample) => void>();
  readonly #samples: TrafficSample[] = [];
  #before: Reading;
  #cancel: () => void = () => undefined;

  constructor(parts: TrafficSamplerParts) {
    this.#parts = parts;
    this.#before = this.#read();
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(EVERY_MS, () => {
      this.#sample();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** The oldest first. */
  get samples(): readonly TrafficSample[] {
    return this.#samples;
  }

  /** Returns how to stop listening. */
  listen(listener: (sample: TrafficSample) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #sample(): void {
    const { clock, clients, memberIds } = this.#parts;
    const before = this.#before;
    const after = this.#read();
    this.#before = after;
    const perSecond = (count: number): number =>
      round((count * 1000) / Math.max(1, after.atMs - before.atMs));
    const percentiles = (kind: RequestKind): Percentiles => {
      const at = (q: number): number | null => {
        const ms = quantileBetween(before.counts[kind], after.counts[kind], q);
        return ms === null ? null : round(ms);
      };
      return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    };
    const sample: TrafficSample = {
      at: clock.wallTime().toISOString(),
      writesPerSecond: perSecond(after.csn - before.csn),
      readsPerSecond: perSecond(after.reads - before.reads),
      commitMs: percentiles('commit'),
      readMs: percentiles('read'),
      sessions: clients(),
      longestPauseMs: round(this.#takeLongestPause(after.atMs)),
      members: Object.fromEntries(memberIds().map((id) => [id, this.#memberSample(id, before, perSecond)])),
    };
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    for (const listener of this.#listeners) listener(sample);
  }

  /**
   * How long Lockstep itself had somebody wait: at its gates, and before a member that has stopped answering. A statement that takes
   * long is none, whoever else is at work.
   */
  #takeLongestPause(nowMs: number): number {
    const { cluster, traffic } = this.#parts;
    const quietMs = traffic.takeLongestPause(nowMs);
    const inDoubt = cluster.membership.active.some((id) => cluster.load(id).suspect);
    return Math.max(
      cluster.gate.takeLongestWait(),
      cluster.commitGate.takeLongestWait(),
      inDoubt ? quietMs : 0,
    );
  }

  #memberSample(id: string, before: Reading, perSecond: (count: number) => number): MemberTraffic {
    const { cluster, lagOf } = this.#parts;
    const { requests, latencyMs, inFlight } = cluster.load(id);
    return {
      readsPerSecond: perSecond(requests - (before.requests.get(id) ?? requests)),
      latencyMs: requests === 0 ? null : round(latencyMs),
      lagCsn: lagOf(id),
      load: inFlight,
    };
  }

  #read(): Reading {
    const { cluster, clock, memberIds, traffic } = this.#parts;
    const { read, write, commit } = traffic.latency;
    return {
      atMs: clock.monotonicMs(),
      csn: cluster.order.dispatched,
      reads: read.count,
      requests: new Map(memberIds().map((id) => [id, cluster.load(id).requests])),
      counts: { read: read.counts.slice(), write: write.counts.slice(), commit: commit.counts.slice() },
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
