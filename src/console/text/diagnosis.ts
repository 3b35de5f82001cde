/** What is wrong, and what to do about it: the most serious first. Pure; empty when all is well. */
import type { ClusterStatus, MemberStatus } from '../contract.ts';
import type { Ask } from '../state/asks.ts';
import type { Page } from '../state/pages.ts';
import { amount } from './format.ts';
import { reasonOf, REMEDIES, remedyOf } from './reasons.ts';
import type { Tone } from './words.ts';

export interface Complaint {
  readonly tone: Tone;
  readonly what: string;
  readonly why: string;
  /** One thing to do; undefined: it is being done, or nothing helps but waiting. */
  readonly act:
    | { readonly label: string; readonly ask: Ask }
    | { readonly label: string; readonly page: Page }
    | undefined;
}

const LAG_MAX = 1000;

export function complaintsOf(status: ClusterStatus): readonly Complaint[] {
  const { members, verification, paused } = status;
  const active = members.filter((member) => member.active);
  const open = (label: string, page: Page) => ({ label, page });
  const all: readonly Complaint[] = [
    ...members.filter((member) => !member.active).map(aboutInactive),
    ...(verification.contest === null
      ? []
      : [
          {
            tone: 'bad' as const,
            what: `${verification.contest.members.join(', ')} and the primary hold different rows`,
            why: 'No other member agrees with either, so a person has to say which is right.',
            act: open('See the rows', 'integrity'),
          },
        ]),
    ...(verification.contest === null && verification.outcome === 'differs'
      ? [
          {
            tone: 'bad' as const,
            what: 'The last integrity check found differences',
            why: 'Who differs is taken out and made equal by itself; verify again to see that it is done.',
            act: open('See what differed', 'integrity'),
          },
        ]
      : []),
    ...(active.length === 1 && members.length === 1
      ? [
          {
            tone: 'warn' as const,
            what: 'There is one database only',
            why: 'When it fails, everything stands still.',
            act: open('Add another one', 'database'),
          },
        ]
      : []),
    ...members.flatMap(({ id, risks }) =>
      risks.map((risk) => ({
        tone: 'warn' as const,
        what: `${id} is at risk`,
        why: risk,
        act: { label: 'Show the cure', ask: { what: 'test' as const, id } },
      })),
    ),
    ...active.flatMap(({ id, lagCsn }) =>
      lagCsn === null || lagCsn <= LAG_MAX
        ? []
        : [
            {
              tone: 'warn' as const,
              what: `${id} is ${amount(lagCsn, 'commit')} behind`,
              why: 'Its disk is slow, or long transactions on it are in the way.',
              act: open('See its sessions', 'sessions'),
            },
          ],
    ),
    ...(paused
      ? [
          {
            tone: 'warn' as const,
            what: 'Clients are paused',
            why: 'An operator has new transactions wait.',
            act: open('Let them go on', 'sessions'),
          },
        ]
      : []),
  ];
  const order: readonly Tone[] = ['bad', 'warn', 'busy', 'idle', 'good'];
  return [...all].sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}

function aboutInactive(member: MemberStatus): Complaint {
  const { id, state, sync } = member;
  if (sync?.state === 'running')
    return {
      tone: 'busy',
      what: `${id} is being brought level`,
      why: sync.reason ?? 'It is on its way.',
      act: undefined,
    };
  const remedy = remedyOf(member);
  return {
    tone: state === 'held' ? 'warn' : 'bad',
    what: state === 'held' ? `${id} was taken out by an operator` : `${id} is not active`,
    why: reasonOf(member) ?? 'The node does not say why.',
    act: remedy === undefined ? undefined : { label: REMEDIES[remedy], ask: { what: remedy, id } },
  };
}
