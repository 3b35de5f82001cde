/** Work that goes on: with its bar, its rate and the time left. */
import type { JSX } from 'preact';
import type { ClusterStatus, JobStatus, MemberStatus, SyncStatus } from '../../contract.ts';
import { jobs } from '../../state/jobs.ts';
import { now } from '../../state/live.ts';
import { remedyOf } from '../../text/reasons.ts';
import { amount, duration } from '../../text/format.ts';
import { firstOf, jobTitle } from '../../text/words.ts';
import { Progress } from '../../ui/progress.tsx';

/** More that wait, because a server or a network is gone, are one line: what is under way is to be seen. */
const WAITING_MAX = 3;

export function HappeningNow({ status }: { readonly status: ClusterStatus }): JSX.Element | null {
  const syncs = status.members.flatMap((member) =>
    // Who is active again has nothing to wait for; what was planned for it is forgotten in a moment.
    // Nor is anything under way where a person has to decide.
    member.sync === null || member.active || remedyOf(member) === 'replace'
      ? []
      : [{ member, sync: member.sync }],
  );
  // What brings a member level is shown with the member, whoever began it.
  const others = jobs.value.filter(
    ({ state, kind, member }) =>
      state === 'running' && !(kind === 'sync' && syncs.some((one) => one.member.id === member)),
  );
  if (syncs.length + others.length === 0) return null;
  const waiting = syncs.filter(({ sync }) => sync.state === 'waiting' && !sync.quarantined);
  const together = waiting.length > WAITING_MAX ? waiting : [];
  return (
    <section aria-labelledby="now-title">
      <header class="section-head">
        <h2 id="now-title">Happening now</h2>
      </header>
      <ul class="works">
        {syncs
          .filter((one) => !together.includes(one))
          .map(({ member, sync }) => (
            <li key={member.id} class="work">
              <SyncWork member={member} sync={sync} />
            </li>
          ))}
        {others.map((job) => (
          <li key={job.id} class="work">
            <JobWork job={job} />
          </li>
        ))}
        {together.length > 0 && (
          <li key="waiting" class="work">
            <h3>Waiting for {firstOf(together.map(({ member }) => member.id))}</h3>
            <p class="quiet-text">Each is tried again by itself.</p>
          </li>
        )}
      </ul>
    </section>
  );
}

function SyncWork({
  member,
  sync,
}: {
  readonly member: MemberStatus;
  readonly sync: SyncStatus;
}): JSX.Element {
  if (sync.state === 'waiting') return <Waiting member={member} sync={sync} />;
  const from = sync.source === null ? '' : ` from ${sync.source}`;
  const how = sync.strategy === null ? '' : `: ${sync.strategy}${from}`;
  const title = `${sync.dryRun ? 'Dry run for' : 'Synchronising'} ${member.id}${how}`;
  return (
    <>
      <h3>{title}</h3>
      {sync.reason !== null && <p class="quiet-text">Because {sync.reason}.</p>}
      <Progress label={title} progress={sync.progress} />
    </>
  );
}

function Waiting({
  member,
  sync,
}: {
  readonly member: MemberStatus;
  readonly sync: SyncStatus;
}): JSX.Element {
  const leftMs = sync.nextRetryAt === null ? undefined : Date.parse(sync.nextRetryAt) - now.value;
  const when =
    leftMs === undefined
      ? 'It is tried again by itself'
      : leftMs <= 0
        ? 'It is tried now'
        : `Next try in ${duration(leftMs)}`;
  return (
    <>
      <h3>
        {sync.quarantined ? 'In quarantine: ' : 'Waiting for '}
        {member.id}
      </h3>
      <p class="quiet-text">
        {when}
        {sync.attempt > 0 && `; so far tried ${amount(sync.attempt, 'time')}`}.
        {sync.reason !== null && ` The last one ended: ${sync.reason}`}
      </p>
    </>
  );
}

function JobWork({ job }: { readonly job: JobStatus }): JSX.Element {
  return (
    <>
      <h3>{jobTitle(job)}</h3>
      <Progress label={jobTitle(job)} progress={job.progress} />
    </>
  );
}
