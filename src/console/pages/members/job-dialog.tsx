/** A piece of long work, followed to its end. */
import type { JSX } from 'preact';
import { commands } from '../../api/calls.ts';
import { jobs, refreshJobs } from '../../state/jobs.ts';
import { mayChange } from '../../state/session.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { ErrorNotice } from '../../ui/notice.tsx';
import { Progress } from '../../ui/progress.tsx';
import { useAction } from '../../ui/use-action.ts';
import { JobOutcome } from './job-outcome.tsx';

interface JobDialogProps {
  readonly title: string;
  readonly id: number;
  readonly onClose: () => void;
}

export function JobDialog({ title, id, onClose }: JobDialogProps): JSX.Element {
  const action = useAction();
  const job = jobs.value.find((one) => one.id === id);
  const running = job === undefined || job.state === 'running';
  return (
    <Dialog title={title} onClose={onClose} wide>
      <div class="dialog-body">
        {running && <Progress label={title} progress={job?.progress ?? null} />}
        <div role="status">{job !== undefined && !running && <JobOutcome job={job} onAsk={onClose} />}</div>
        {action.error !== undefined && <ErrorNotice error={action.error} />}
      </div>
      <footer class="dialog-foot">
        {running && mayChange.value && (
          <button
            type="button"
            class="button"
            onClick={() => void action.run(() => commands.cancelJob(id)).then(refreshJobs)}
          >
            Stop it
          </button>
        )}
        <button type="button" class="button primary" onClick={onClose}>
          {running ? 'Close; it goes on' : 'Close'}
        </button>
      </footer>
    </Dialog>
  );
}
