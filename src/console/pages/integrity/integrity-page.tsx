/** Whether the members hold the same: the last verification, what differed, and how to put it right. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getVerification } from '../../api/calls.ts';
import type { ClusterStatus, VerificationReport, VerifiedTable } from '../../contract.ts';
import { jobs } from '../../state/jobs.ts';
import { now, status } from '../../state/live.ts';
import { mayChange } from '../../state/session.ts';
import { amount, count, duration } from '../../text/format.ts';
import { jobTitle } from '../../text/words.ts';
import type { Tone } from '../../text/words.ts';
import { Badge } from '../../ui/badge.tsx';
import { SearchField, Select } from '../../ui/field.tsx';
import { Ago } from '../../ui/moment.tsx';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { Empty, PageHead, Waiting } from '../../ui/page.tsx';
import { Progress } from '../../ui/progress.tsx';
import { useLoaded } from '../../ui/use-loaded.ts';
import { RecentWork } from '../members/recent-work.tsx';
import { RepairDialog, VerifyDialog } from './integrity-dialogs.tsx';
import { SideBySide } from './side-by-side.tsx';

const OUTCOMES: Readonly<Record<VerifiedTable['outcome'], { readonly tone: Tone; readonly text: string }>> = {
  equal: { tone: 'good', text: 'Equal' },
  differs: { tone: 'bad', text: 'Differs' },
  unchecked: { tone: 'warn', text: 'Not checked' },
};

const FINDINGS_SHOWN = 12;

type Ask = { readonly what: 'verify' } | { readonly what: 'repair'; readonly members: readonly string[] };

export function IntegrityPage(): JSX.Element {
  const state = status.value;
  const running = jobs.value.filter((job) => job.state === 'running' && job.kind !== 'sync');
  const { value, error, reload } = useLoaded(getVerification, [state?.verification.at, running.length]);
  const [ask, setAsk] = useState<Ask>();
  const close = () => setAsk(undefined);
  return (
    <>
      <PageHead
        title="Integrity"
        text="Proof that all active members hold the same data. Clients go on meanwhile."
      >
        {mayChange.value && (
          <button type="button" class="button primary" onClick={() => setAsk({ what: 'verify' })}>
            Verify now
          </button>
        )}
      </PageHead>
      {running.map((job) => (
        <section key={job.id} class="work" aria-label={jobTitle(job)}>
          <h2>{jobTitle(job)}</h2>
          <Progress label={jobTitle(job)} progress={job.progress} />
        </section>
      ))}
      {error !== undefined && <ErrorNotice error={error} retry={() => void reload()} />}
      {value === undefined && error === undefined && <Waiting />}
      {state !== null && value !== undefined && <Summary state={state} view={value} onAsk={setAsk} />}
      {value !== undefined && value !== null && <Tables view={value} />}
      <RecentWork />
      {ask?.what === 'verify' && <VerifyDialog onClose={close} />}
      {ask?.what === 'repair' && <RepairDialog members={ask.members} onClose={close} />}
    </>
  );
}

interface SummaryProps {
  readonly state: ClusterStatus;
  readonly view: VerificationReport | null;
  readonly onAsk: (ask: Ask) => void;
}

function Summary({ state, view, onAsk }: SummaryProps): JSX.Element {
  const { at, outcome, reason, nextAt } = state.verification;
  const nextMs = nextAt === null ? undefined : Date.parse(nextAt) - now.value;
  const next =
    nextMs === undefined
      ? 'None is scheduled: see the schedule under Database.'
      : nextMs <= 0
        ? 'The next one is due now.'
        : `The next one is in ${duration(nextMs)}.`;
  if (at === null || outcome === null) {
    return (
      <Notice tone="info" title="Not yet verified">
        <p>{next}</p>
      </Notice>
    );
  }
  const { contest } = state.verification;
  const wrong = view === null ? [] : differing(view).filter((id) => contest?.members.includes(id) !== true);
  const away = wrong.filter((id) => state.members.some((one) => one.id === id && !one.active));
  const titles = {
    equal: 'All members were equal',
    differs: 'Members differed',
    unchecked: 'It could not be checked',
  };
  return (
    <Notice
      tone={outcome === 'equal' ? 'good' : outcome === 'differs' ? 'bad' : 'warn'}
      title={titles[outcome]}
    >
      <p>
        <Ago at={at} />
        {view !== null && `: ${amount(view.tables.length, 'table')}, ${amount(rowsOf(view), 'row')}`}
        {view !== null && view.csn !== null && `, at commit ${count(view.csn)}`}. {next}
      </p>
      {reason !== null && <p>{reason}</p>}
      {view?.findings.slice(0, FINDINGS_SHOWN).map(({ member, text }) => (
        <p key={member + text}>
          <strong>{member}</strong>: {text}
        </p>
      ))}
      {view !== null && view.findings.length > FINDINGS_SHOWN && (
        <p>… and {view.findings.length - FINDINGS_SHOWN} more.</p>
      )}
      {contest !== null && (
        <p>
          Primary {contest.primary} differs from {contest.members.join(', ')}, and no other member agrees with
          it. Nothing is repaired by itself, and they answer no reads. If {contest.primary} is right, repair
          the others, one after the other; if they are right, make one of them the primary, then repair{' '}
          {contest.primary}.
        </p>
      )}
      {wrong.length > 0 && (
        <p>
          {away.length === 0
            ? `${wrong.join(', ')} ${wrong.length === 1 ? 'has' : 'have'} been brought level since. Verify again to be sure.`
            : `${away.join(', ')} ${away.length === 1 ? 'is' : 'are'} taken out, and brought level by comparing, by itself.`}
        </p>
      )}
      {wrong.length > 0 && mayChange.value && (
        <button type="button" class="button" onClick={() => onAsk({ what: 'repair', members: wrong })}>
          Repair {wrong.length === 1 ? wrong[0] : 'what differs'}
        </button>
      )}
    </Notice>
  );
}

function Tables({ view }: { readonly view: VerificationReport }): JSX.Element {
  const [words, setWords] = useState('');
  const [shown, setShown] = useState('all');
  const tables = view.tables.filter(
    ({ table, outcome }) =>
      table.toLowerCase().includes(words.trim().toLowerCase()) && (shown === 'all' || outcome === shown),
  );
  return (
    <section aria-labelledby="tables-title">
      <header class="section-head">
        <h2 id="tables-title">Tables</h2>
      </header>
      <div class="filters below">
        <SearchField label="Find" value={words} onInput={setWords} />
        <Select
          label="Show"
          value={shown}
          choices={[
            ['all', 'All'],
            ['differs', 'Different'],
            ['unchecked', 'Not checked'],
          ]}
          onChange={setShown}
        />
        <p class="filter-count" role="status">
          {amount(tables.length, 'table')}
        </p>
      </div>
      {tables.length === 0 ? (
        <Empty>No table matches.</Empty>
      ) : (
        <ul class="verified">
          {tables.map((table) => (
            <TableRow key={table.table} table={table} />
          ))}
        </ul>
      )}
    </section>
  );
}

function TableRow({ table }: { readonly table: VerifiedTable }): JSX.Element {
  const { tone, text } = OUTCOMES[table.outcome];
  const head = (
    <>
      <Badge tone={tone}>{text}</Badge>
      <strong class="breaks">{table.table}</strong>
      <span class="verified-rows number">{amount(table.rows, 'row')}</span>
      <span class="verified-members">{membersText(table)}</span>
    </>
  );
  if (table.differences.length === 0) return <li class="verified-row">{head}</li>;
  return (
    <li>
      <details open>
        <summary class="verified-row">{head}</summary>
        <SideBySide table={table} />
      </details>
    </li>
  );
}

/** Who stands apart. */
function membersText({ members }: VerifiedTable): string {
  return Object.entries(members)
    .filter(([, outcome]) => outcome !== 'equal')
    .map(([id, outcome]) => `${id} ${outcome === 'differs' ? 'differs' : 'not checked'}`)
    .join(', ');
}

function differing({ tables, findings, outcome }: VerificationReport): readonly string[] {
  if (outcome !== 'differs') return [];
  const ids = tables.flatMap(({ members }) =>
    Object.entries(members).flatMap(([id, found]) => (found === 'differs' ? [id] : [])),
  );
  return [...new Set(ids.length > 0 ? ids : findings.map(({ member }) => member))].sort();
}

function rowsOf({ tables }: VerificationReport): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}
