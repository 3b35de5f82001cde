/** One reading of all metrics, when a monitoring system asks for it. */

import type { Cluster, RequestKind, Traffic } from '../cluster/index.ts';
import { MetricsText } from '../telemetry/index.ts';
import type { EventJournal } from '../telemetry/index.ts';
import type { Operator } from './operator.ts';
import type { TrafficSampler } from './traffic-sampler.ts';

export interface MetricsParts {
  readonly cluster: Cluster;
  readonly operator: Operator;
  readonly traffic: Traffic;
  readonly sampler: TrafficSampler;
  readonly journal: EventJournal;
  wrongPasswords(): number;
}

const KINDS: readonly RequestKind[] = ['read', 'write', 'commit'];
const PAUSE_SECONDS = 60;

export async function readMetrics(parts: MetricsParts): Promise<string> {
  const { cluster, operator, traffic, sampler, journal } = parts;
  const status = await operator.status();
  const text = new MetricsText();
  text.set('lockstep_info', 1, { cluster: status.cluster, role: status.role });
  text.set('lockstep_uptime_seconds', status.uptimeMs / 1000);
  text.set('lockstep_term', status.term);
  text.set('lockstep_writable', bit(operator.readiness().writes));
  text.set('lockstep_commits_total', status.csn);
  text.set('lockstep_clients', status.clients);
  text.set('lockstep_wrong_passwords_total', parts.wrongPasswords());
  text.set('lockstep_requests_waiting', traffic.waiting);
  for (const kind of KINDS) text.histogram('lockstep_request_seconds', traffic.latency[kind], { kind });
  const pauses = sampler.samples.slice(-PAUSE_SECONDS).map(({ longestPauseMs }) => longestPauseMs);
  text.set('lockstep_longest_pause_seconds', Math.max(0, ...pauses) / 1000);
  for (const { id, active, role, load, latencyMs, lagCsn, sync } of status.members) {
    const member = { member: id };
    text.set('lockstep_member_active', bit(active), member);
    text.set('lockstep_member_primary', bit(role === 'primary'), member);
    text.set('lockstep_member_requests_total', cluster.load(id).requests, member);
    text.set('lockstep_member_requests_in_flight', load, member);
    text.set('lockstep_member_latency_seconds', latencyMs === null ? null : latencyMs / 1000, member);
    text.set('lockstep_member_lag_commits', lagCsn, member);
    text.set('lockstep_member_sync_rows_done', sync?.progress?.rowsDone, member);
    text.set('lockstep_member_sync_rows', sync?.progress?.rowsTotal, member);
  }
  const { at, outcome } = status.verification;
  text.set('lockstep_verification_timestamp_seconds', at === null ? null : Date.parse(at) / 1000);
  text.set('lockstep_verification_equal', outcome === null ? null : bit(outcome === 'equal'));
  for (const [type, count] of journal.counts) text.set('lockstep_events_total', count, { type });
  text.set('lockstep_process_resident_bytes', process.memoryUsage.rss());
  const { user, system } = process.cpuUsage();
  text.set('lockstep_process_cpu_seconds_total', (user + system) / 1e6);
  return text.toString();
}

function bit(is: boolean): 0 | 1 {
  return is ? 1 : 0;
}
