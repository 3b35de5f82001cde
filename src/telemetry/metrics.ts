/**
 * The metrics that a monitoring system reads, in the text format of Prometheus. The catalogue below is all there is:
 * docs/reference/metrics.md is made from it.
 */

import type { Histogram } from './histogram.ts';

interface MetricDoc {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const METRICS = {
  lockstep_info: {
    type: 'gauge',
    labels: ['cluster', 'role'],
    help: 'Always 1. Says which cluster this node serves, and as what.',
  },
  lockstep_uptime_seconds: { type: 'gauge', labels: [], help: 'How long the node has run.' },
  lockstep_term: { type: 'gauge', labels: [], help: 'The term; it grows with every start and take-over.' },
  lockstep_writable: { type: 'gauge', labels: [], help: '1: a client can write right now.' },
  lockstep_commits_total: {
    type: 'counter',
    labels: [],
    help: 'The commit sequence number: transactions that changed something, since the cluster was made.',
  },
  lockstep_clients: { type: 'gauge', labels: [], help: 'Clients that are logged in.' },
  lockstep_wrong_passwords_total: {
    type: 'counter',
    labels: [],
    help: 'Clients that came with a wrong password, or for a user that there is not, since the node started.',
  },
  lockstep_requests_waiting: {
    type: 'gauge',
    labels: [],
    help: 'Requests of clients that have not been answered yet.',
  },
  lockstep_request_seconds: {
    type: 'histogram',
    labels: ['kind'],
    help: 'Time from a request to its answer. `kind`: `read`; `write`, inside of a transaction; `commit`, the end of a transaction that wrote, or a statement that is one by itself.',
  },
  lockstep_longest_pause_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Of the last minute: the longest time in which requests waited and none was answered.',
  },
  lockstep_member_active: {
    type: 'gauge',
    labels: ['member'],
    help: '1: the member takes part in writes and reads.',
  },
  lockstep_member_primary: {
    type: 'gauge',
    labels: ['member'],
    help: '1: the member executes transactions first.',
  },
  lockstep_member_requests_total: {
    type: 'counter',
    labels: ['member'],
    help: 'Requests that the member was sent since the node started.',
  },
  lockstep_member_requests_in_flight: {
    type: 'gauge',
    labels: ['member'],
    help: 'Requests that the member has not answered yet.',
  },
  lockstep_member_latency_seconds: {
    type: 'gauge',
    labels: ['member'],
    help: 'Time that the member took for recent requests, the newest counting most.',
  },
  lockstep_member_lag_commits: {
    type: 'gauge',
    labels: ['member'],
    help: 'Commits that an active member has not applied yet.',
  },
  lockstep_member_sync_rows_done: {
    type: 'gauge',
    labels: ['member'],
    help: 'Rows done in the phase of the synchronisation under way.',
  },
  lockstep_member_sync_rows: {
    type: 'gauge',
    labels: ['member'],
    help: 'Rows that this phase will handle, estimated.',
  },
  lockstep_verification_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the last verification ended, in seconds since 1970.',
  },
  lockstep_verification_equal: {
    type: 'gauge',
    labels: [],
    help: '1: the last verification found all members equal.',
  },
  lockstep_events_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Events since the node started, by type; the types are those of the page on events.',
  },
  lockstep_process_resident_bytes: { type: 'gauge', labels: [], help: 'Memory of the node.' },
  lockstep_process_cpu_seconds_total: { type: 'counter', labels: [], help: 'Processor time of the node.' },
} as const satisfies Readonly<Record<string, MetricDoc>>;

export type MetricName = keyof typeof METRICS;

type Labels = Readonly<Record<string, string>>;

/** One reading of the metrics. */
export class MetricsText {
  readonly #samples = new Map<MetricName, string[]>();

  /** A value that is not known is left out. */
  set(name: MetricName, value: number | null | undefined, labels: Labels = {}): void {
    if (value !== null && value !== undefined) this.#lines(name).push(`${name}${labelText(labels)} ${value}`);
  }

  /** Bounds in octaves; a monitoring system needs no finer ones. */
  histogram(name: MetricName, histogram: Histogram, labels: Labels = {}): void {
    const lines = this.#lines(name);
    for (const { upToMs, count } of histogram.cumulative()) {
      const le = String(Number((upToMs / 1000).toPrecision(6)));
      lines.push(`${name}_bucket${labelText({ ...labels, le })} ${count}`);
    }
    lines.push(`${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${histogram.count}`);
    lines.push(`${name}_sum${labelText(labels)} ${histogram.sumMs / 1000}`);
    lines.push(`${name}_count${labelText(labels)} ${histogram.count}`);
  }

  toString(): string {
    const parts: string[] = [];
    for (const [name, lines] of this.#samples) {
      const { type, help } = METRICS[name];
      parts.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines);
    }
    return `${parts.join('\n')}\n`;
  }

  #lines(name: MetricName): string[] {
    let lines = this.#samples.get(name);
    if (lines === undefined) this.#samples.set(name, (lines = []));
    return lines;
  }
}

/** docs/reference/metrics.md, made from the catalogue. */
export function renderMetricsReference(): string {
  const rows = Object.entries(METRICS).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `# Metrics

A node with \`listen.admin\` answers \`GET /metrics\` in the text format of Prometheus: without a login to this machine, elsewhere
to who shows a token, \`Authorization: Bearer …\` (the read-only one will do).
This page is made from the program's own catalogue by \`lockstep reference\`; do not edit it.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
