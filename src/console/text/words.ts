/** What the state of things means, in a technician's words. Pure: it judges what it is given, and shows nothing. */
import type { ClusterStatus, JobStatus, MemberStatus, SyncStrategy, WorkProgress } from '../contract.ts';
import { ago, amount, bytes, count, duration } from './format.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'idle';

export interface Verdict {
  readonly tone: Tone;
  readonly answer: string;
  readonly detail: string;
}

/** Can it write? */
export function writeVerdict({ role, primary, members, paused }: ClusterStatus): Verdict {
  const active = members.filter((member) => member.active);
  if (role === 'failover') {
    return {
      tone: 'idle',
      answer: 'Not here',
      detail: 'This node stands by; another one serves the clients.',
    };
  }
  if (primary === null || active.length === 0) {
    return {
      tone: 'bad',
      answer: 'No',
      detail: 'No member can take writes at the moment. Clients wait, and go on by themselves.',
    };
  }
  if (paused) {
    return {
      tone: 'warn',
      answer: 'Paused',
      detail: 'An operator has new transactions wait. Under Sessions they are let go on.',
    };
  }
  const others = active.length - 1;
  return {
    tone: 'good',
    answer: 'Yes',
    detail:
      others === 0
        ? `Through ${primary} alone.`
        : `Through ${primary} first, then on ${amount(others, 'replica')}, before a client is answered.`,
  };
}

/** Can it lose another member? */
export function lossVerdict({ members }: ClusterStatus): Verdict {
  const active = members.filter((member) => member.active).length;
  const out = members.length - active;
  if (active === 0) {
    return { tone: 'bad', answer: 'No', detail: 'No member is active.' };
  }
  if (active === 1) {
    return {
      tone: members.length === 1 ? 'warn' : 'bad',
      answer: 'No',
      detail:
        members.length === 1
          ? 'There is one database only. Enable database clustering under Database.'
          : `Only one of ${amount(members.length, 'member')} is active. ${waitingText(members)}`.trim(),
    };
  }
  return {
    tone: out === 0 ? 'good' : 'warn',
    answer: 'Yes',
    detail:
      out === 0
        ? `All ${active} members are active and equal; ${active === 2 ? 'either one' : `any ${active - 1} of them`} may fail.`
        : `${active} of ${members.length} members are active. ${waitingText(members)}`.trim(),
  };
}

function waitingText(members: readonly MemberStatus[]): string {
  const returning = members.filter(({ sync }) => sync?.state === 'running').map(({ id }) => id);
  if (returning.length > 0)
    return `${returning.join(', ')} ${returning.length === 1 ? 'is' : 'are'} being brought level.`;
  const held = members.filter(({ active }) => !active).map(({ id }) => id);
  return `${firstOf(held)} inactive.`;
}

export interface MemberWord {
  readonly tone: Tone;
  readonly text: string;
}

/** The one word that is shown beside a member's name. */
export function memberWord({ state, active, sync }: MemberStatus): MemberWord {
  if (active) return { tone: 'good', text: 'Active' };
  if (sync?.state === 'running') return { tone: 'busy', text: sync.dryRun ? 'Dry run' : 'Synchronising' };
  if (sync?.state === 'waiting' && /data of its own/.test(sync.reason ?? ''))
    return { tone: 'bad', text: 'Needs a decision' };
  if (sync?.quarantined === true) return { tone: 'bad', text: 'Quarantined' };
  if (state === 'held') return { tone: 'warn', text: 'Taken out' };
  if (state === 'new') return { tone: 'warn', text: 'New' };
  return { tone: 'bad', text: 'Inactive' };
}

export const PHASES: Readonly<Record<WorkProgress['phase'], string>> = {
  choose: 'Looking at what is needed',
  snapshot: 'Opening snapshots',
  schema: 'Schema',
  compare: 'Comparing',
  copy: 'Copying',
  repair: 'Repairing',
  conclude: 'Recording that it is level',
  indexes: 'Building indexes',
  'catch-up': 'Catching up',
  join: 'Joining',
};

/** Rows are not what they work at. */
const ROWLESS: readonly WorkProgress['phase'][] = [
  'choose',
  'snapshot',
  'schema',
  'indexes',
  'conclude',
  'join',
];

/** Undefined when nothing can be said. Totals are estimates: what is under way is not said to be done. */
export function doneFraction({ phase, rowsDone, rowsTotal, lagCsn }: WorkProgress): number | undefined {
  return rowsTotal === 0 || lagCsn !== null || ROWLESS.includes(phase)
    ? undefined
    : Math.min(rowsDone / rowsTotal, 0.99);
}

/** `public.orders · table 2 of 7 · 1,200,000 of 2,900,000 rows · 34.1 MB/s` */
export function progressWords(progress: WorkProgress): readonly string[] {
  const { table, tablesDone, tablesTotal, rowsDone, rowsTotal, bytesPerSecond, rowsPerSecond, lagCsn } =
    progress;
  if (lagCsn !== null) return [`${amount(lagCsn, 'commit')} behind`];
  return [
    ...(table === null ? [] : [tableWords(table, progress)]),
    ...(tablesTotal > 1 ? [`table ${Math.min(tablesDone + 1, tablesTotal)} of ${tablesTotal}`] : []),
    ...(rowsDone + rowsTotal === 0
      ? []
      : [`${count(rowsDone)}${rowsTotal > 0 ? ` of ${count(Math.max(rowsDone, rowsTotal))}` : ''} rows`]),
    ...(rowsPerSecond === 0 ? [] : [`${count(Math.round(rowsPerSecond))} rows/s`]),
    ...(bytesPerSecond === 0 ? [] : [`${bytes(bytesPerSecond)}/s`]),
  ];
}

function tableWords(table: string, { ofTable }: WorkProgress): string {
  if (ofTable === null || ofTable.rowsTotal === 0) return table;
  return `${table} (${Math.floor(Math.min(ofTable.rowsDone / ofTable.rowsTotal, 0.99) * 100)} % of it)`;
}

export function leftText({ leftMs }: WorkProgress): string | undefined {
  return leftMs === null ? undefined : `about ${duration(Math.max(1000, leftMs))} left`;
}

/** What each strategy does, for somebody who has to choose. */
export const STRATEGIES: readonly {
  readonly value: SyncStrategy | '';
  readonly title: string;
  readonly text: string;
}[] = [
  { value: '', title: 'Automatic', text: 'The cheapest one that is enough. Right in nearly every case.' },
  {
    value: 'replay',
    title: 'Replay',
    text: 'Gives it the commits that it missed, as far as they are still kept.',
  },
  { value: 'diff', title: 'Compare', text: 'Compares every table and puts right only what differs.' },
  { value: 'full', title: 'Copy everything', text: 'Removes what it holds and copies schema and data anew.' },
  {
    value: 'passive',
    title: 'Trust it',
    text: 'Compares nothing and takes your word that it is level. If it is not, wrong answers are given from it.',
  },
];

const JOB_TITLES: Readonly<Record<JobStatus['kind'], string>> = {
  sync: 'Synchronisation',
  verify: 'Verification',
  repair: 'Repair',
};

export function jobTitle({ kind, member }: JobStatus): string {
  return `${JOB_TITLES[kind]} of ${member ?? (kind === 'verify' ? 'all active members' : 'what differs')}`;
}

const OUTCOMES = { equal: 'equal', differs: 'members differed', unchecked: 'could not be checked' } as const;

export function verifiedText({ at, outcome }: ClusterStatus['verification'], now: number): string {
  return at === null || outcome === null ? 'not yet' : `${OUTCOMES[outcome]}, ${ago(at, now)}`;
}

/** The first three names, and how many more there are. */
export function firstOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
}
