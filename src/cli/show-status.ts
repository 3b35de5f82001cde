import type { ClusterStatus, MemberStatus } from '../admin/index.ts';
import { table } from './table.ts';

export function showStatus(status: ClusterStatus): string {
  return [
    `cluster ${status.cluster}: node ${status.role}, primary ${status.primary ?? 'none'}, ${activeText(status)}`,
    `listening on ${status.listen.join(', ')}; up ${duration(status.uptimeMs)}; ${count(status.clients, 'client')}`,
    `term ${status.term}, membership version ${status.version}, CSN ${status.csn}`,
    '',
    table(
      ['MEMBER', 'ACTIVE', 'STATE', 'ROLE', 'WEIGHT', 'LOAD', 'LATENCY', 'LAG', 'SINCE', 'VERSION', 'REASON'],
      status.members.map(memberRow),
    ),
  ].join('\n');
}

function memberRow(member: MemberStatus): readonly string[] {
  return [
    member.id,
    member.active ? 'yes' : 'no',
    member.state,
    member.role === 'none' ? '-' : member.role,
    String(member.weight),
    String(member.load),
    member.latencyMs === null ? '-' : `${member.latencyMs.toFixed(1)} ms`,
    member.lagCsn === null ? '-' : String(member.lagCsn),
    member.since.replace(/\.\d+Z$/, 'Z'),
    member.version ?? '-',
    member.reason ?? '',
  ];
}

function activeText({ members }: ClusterStatus): string {
  return `${members.filter((member) => member.active).length} of ${count(members.length, 'member')} active`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** The two largest units that are not zero: `3d 4h`, `12s`. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([number]) => number > 0)
    .map(([number, unit]) => `${number}${unit}`)
    .join(' ');
}
