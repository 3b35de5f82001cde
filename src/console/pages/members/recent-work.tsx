/** What operators have begun since the node started, with what came of it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { JobStatus } from '../../contract.ts';
import { jobs } from '../../state/jobs.ts';
import { jobTitle } from '../../text/words.ts';
import type { Tone } from '../../text/words.ts';
import { Badge } from '../../ui/badge.tsx';
import { Ago } from '../../ui/moment.tsx';
import { JobDialog } from './job-dialog.tsx';

const SHOWN = 8;

const STATES: Readonly<Record<JobStatus['state'], { readonly tone: Tone; readonly text: string }>> = {
  running: { tone: 'busy', text: 'Running' },
  done: { tone: 'good', text: 'Done' },
  failed: { tone: 'bad', text: 'Failed' },
  cancelled: { tone: 'warn', text: 'Stopped' },
};

export function RecentWork(): JSX.Element | null {
  const [open, setOpen] = useState<JobStatus>();
  const shown = jobs.value.slice(-SHOWN).reverse();
  if (shown.length === 0) return null;
  return (
    <section aria-labelledby="work-title">
      <header class="section-head">
        <h2 id="work-title">Recent work</h2>
      </header>
      <ul class="jobs">
        {shown.map((job) => (
          <li key={job.id}>
            <Badge tone={STATES[job.state].tone}>{STATES[job.state].text}</Badge>
            <span class="job-title">{jobTitle(job)}</span>
            <Ago at={job.endedAt ?? job.startedAt} />
            <button
              type="button"
              class="button small"
              aria-label={`Details: ${jobTitle(job)}`}
              onClick={() => setOpen(job)}
            >
              Details
            </button>
          </li>
        ))}
      </ul>
      {open !== undefined && (
        <JobDialog title={jobTitle(open)} id={open.id} onClose={() => setOpen(undefined)} />
      )}
    </section>
  );
}
