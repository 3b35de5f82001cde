import type { ClusterStatus, MemberStatus } from '../admin/index.ts';
import { contestLines } from './show-contest.ts';
import { progressLine, syncHeadline } from './show-progress.ts';
import { oneLine, table } from './table.ts';

/** `now` is in milliseconds since 1970. */
export function showStatus(status: ClusterStatus, now: number): string {
  return [
    `cluster ${status.cluster}: node ${status.role}, primary ${status.primary ?? 'none'}, ${activeText(status)}`,
    `listening on ${status.listen.join(', ')}; up ${duration(status.uptimeMs)}; ${count(status.clients, 'client')}`,
    `term ${status.term}, membership version ${status.version}, CSN ${status.csn}`,
    '',
    table(
      ['MEMBER', 'ACTIVE', 'STATE', 'ROLE', 'WEIGHT', 'LOAD', 'LATENCY', 'LAG', 'SINCE', 'VERSION'],
      status.members.map(memberRow),
    ),
    ...reasonLines(status),
    ...contestLines(status.verification.contest),
    ...riskLines(status),
    ...syncLines(status, now),
    ...verificationLines(status.verification, now),
  ].join('\n');
}

/** In full, on lines of their own: a table would lose them first where the terminal is narrow. */
function reasonLines({ members }: ClusterStatus): readonly string[] {
  return members.flatMap(({ id, state, reason }) =>
    reason === null ? [] : [`${id} is ${state}: ${oneLine(reason)}`],
  );
}

function riskLines({ members }: ClusterStatus): readonly string[] {
  const lines = members.flatMap(({ id, risks }) => risks.map((risk) => `${id} is at risk: ${oneLine(risk)}`));
  return lines.length === 0 ? [] : ['', ...lines];
}

function syncLines({ members }: ClusterStatus, now: number): readonly string[] {
  const lines = members.flatMap(({ id, sync }) =>
    sync === null
      ? []
      : [
          oneLine(syncHeadline(id, sync, now)),
          ...(sync.progress === null ? [] : [`  ${oneLine(progressLine(sync.progress))}`]),
        ],
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function verificationLines(
  { at, outcome, reason, nextAt, tables }: ClusterStatus['verification'],
  now: number,
): readonly string[] {
  const next = nextAt === null ? '' : `; the next in ${duration(Math.max(0, Date.parse(nextAt) - now))}`;
  if (at === null || outcome === null) return nextAt === null ? [] : ['', `not yet verified${next}`];
  const ago = `${duration(Math.max(0, now - Date.parse(at)))} ago`;
  const odd = tables.filter(({ outcome: found }) => found === 'differs').map(({ table: name }) => name);
  const why = reason === null ? '' : `: ${oneLine(reason)}`;
  return [
    '',
    `verified ${ago}: ${OUTCOMES[outcome]}${why}${next}`,
    ...(odd.length === 0
      ? []
      : [
          `  different: ${oneLine(odd.slice(0, TABLES_SHOWN).join(', '))}${odd.length > TABLES_SHOWN ? ', …' : ''}`,
        ]),
  ];
}

const TABLES_SHOWN = 10;
const OUTCOMES = { equal: 'equal', differs: 'members differed', unchecked: 'could not be checked' } as const;

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
