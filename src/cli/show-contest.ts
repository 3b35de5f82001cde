/** That the primary differs from others and nobody agrees with it: what it means, and the commands that decide it. Pure. */

import type { Contest } from '../admin/index.ts';
import { oneLine } from './table.ts';

const FINDINGS_SHOWN = 10;

export function contestHeadline({ primary, members }: Contest): string {
  return `primary ${primary} differs from ${members.join(', ')}, and no other member agrees with it`;
}

/** For either side. */
export function contestCures({ primary, members }: Contest): readonly string[] {
  const [first = '<id>'] = members;
  const all = members.map((id) => `lockstep repair ${id}`).join(', then ');
  return [
    `${primary} is right: ${all}`,
    `${first} is right: lockstep switch-primary ${first}, then lockstep repair ${primary}`,
  ];
}

export function contestLines(contest: Contest | null): readonly string[] {
  if (contest === null) return [];
  const { findings } = contest;
  const rest = findings.length > FINDINGS_SHOWN ? [`  and ${findings.length - FINDINGS_SHOWN} more`] : [];
  return [
    '',
    `${contestHeadline(contest)}.`,
    ...findings.slice(0, FINDINGS_SHOWN).map(({ member, text }) => `  ${member}: ${oneLine(text)}`),
    ...rest,
    'Nobody is taken out for it and nothing is repaired; they answer no reads. Rows side by side: lockstep verify --last. If',
    ...contestCures(contest).map((cure) => `  ${cure}`),
  ];
}
