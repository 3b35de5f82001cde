import type { ClusterStatus, MemberStatus, Percentiles, SessionInfo, TrafficSample } from '../admin/index.ts';
import { countText } from './byte-size.ts';
import { sessionTable } from './commands/sessions.ts';
import { progressLine, syncHeadline } from './show-progress.ts';
import { duration } from './show-status.ts';
import { oneLine, table } from './table.ts';

export interface Moment {
  readonly status: ClusterStatus;
  /** The oldest first. */
  readonly traffic: readonly TrafficSample[];
  readonly sessions: readonly SessionInfo[];
}

const BARS = '▁▂▃▄▅▆▇█';
const SECONDS_SHOWN = 60;
const SESSIONS_SHOWN = 20;

/** `now` is in milliseconds since 1970. */
export function showTop({ status, traffic, sessions }: Moment, now: number): string {
  const active = status.members.filter((member) => member.active).length;
  return [
    `cluster ${status.cluster}: primary ${status.primary ?? 'none'}, ${active} of ${status.members.length} members active; ${sessions.length} clients; up ${duration(status.uptimeMs)}`,
    '',
    ...trafficLines(traffic),
    '',
    memberTable(status, traffic.at(-1)),
    ...syncLines(status, now),
    '',
    ...sessionLines(sessions, now),
  ].join('\n');
}

function trafficLines(traffic: readonly TrafficSample[]): readonly string[] {
  const last = traffic.at(-1);
  if (last === undefined) return ['nothing was measured yet'];
  const recent = traffic.slice(-SECONDS_SHOWN);
  const line = (name: string, rate: number, times: Percentiles, rates: readonly number[]): string =>
    `${name.padEnd(7)}${`${countText(Math.round(rate))}/s`.padStart(8)}  ${timesText(times).padEnd(34)}  ${graph(rates)}`;
  return [
    line(
      'writes',
      last.writesPerSecond,
      last.commitMs,
      recent.map((one) => one.writesPerSecond),
    ),
    line(
      'reads',
      last.readsPerSecond,
      last.readMs,
      recent.map((one) => one.readsPerSecond),
    ),
    `longest pause of the last minute: ${Math.round(Math.max(...recent.map((one) => one.longestPauseMs)))} ms`,
  ];
}

/** `0.4 / 1.2 / 8.0 ms`: half of them, 95 and 99 of 100 took less. */
function timesText({ p50, p95, p99 }: Percentiles): string {
  if (p50 === null || p95 === null || p99 === null) return '';
  return `${[p50, p95, p99].map((ms) => ms.toFixed(1)).join(' / ')} ms (p50/95/99)`;
}

/** A column for each second, the newest last; the highest is full. */
export function graph(values: readonly number[]): string {
  const highest = Math.max(0, ...values);
  return values
    .map(
      (value) =>
        BARS[highest === 0 ? 0 : Math.min(BARS.length - 1, Math.floor((value / highest) * BARS.length))] ??
        '',
    )
    .join('');
}

function memberTable({ members }: ClusterStatus, last: TrafficSample | undefined): string {
  const row = (member: MemberStatus): readonly string[] => {
    const { id, state, role, weight, reason } = member;
    const traffic = last?.members[id];
    const latency = traffic?.latencyMs ?? member.latencyMs;
    const lag = traffic?.lagCsn ?? member.lagCsn;
    return [
      id,
      state,
      role === 'none' ? '-' : role,
      String(weight),
      traffic === undefined ? '-' : `${countText(Math.round(traffic.readsPerSecond))}/s`,
      String(traffic?.load ?? member.load),
      latency === null ? '-' : `${latency.toFixed(1)} ms`,
      lag === null ? '-' : String(lag),
      reason ?? '',
    ];
  };
  return table(
    ['MEMBER', 'STATE', 'ROLE', 'WEIGHT', 'REQUESTS', 'LOAD', 'LATENCY', 'LAG', 'REASON'],
    members.map(row),
  );
}

function syncLines({ members }: ClusterStatus, now: number): readonly string[] {
  return members.flatMap(({ id, sync }) =>
    sync === null
      ? []
      : [
          oneLine(syncHeadline(id, sync, now)),
          ...(sync.progress === null ? [] : [`  ${oneLine(progressLine(sync.progress))}`]),
        ],
  );
}

/** What runs comes first, the longest of it at the top; then open transactions. */
function sessionLines(sessions: readonly SessionInfo[], now: number): readonly string[] {
  const rank = { active: 0, 'idle in transaction': 1, idle: 2 } as const;
  const ordered = sessions.toSorted(
    (a, b) => rank[a.state] - rank[b.state] || Date.parse(a.since) - Date.parse(b.since),
  );
  if (ordered.length === 0) return ['no client is logged in'];
  const more = ordered.length - SESSIONS_SHOWN;
  return [
    sessionTable(ordered.slice(0, SESSIONS_SHOWN), now),
    ...(more > 0 ? [`and ${more} more: lockstep sessions`] : []),
  ];
}
