import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { CommandAnswer } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { refreshJobs } from '../../state/jobs.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { Check, TextField } from '../../ui/field.tsx';
import { useAction } from '../../ui/use-action.ts';
import { JobDialog } from '../members/job-dialog.tsx';

interface DialogProps {
  readonly onClose: () => void;
}

/** Begins work, and follows it where the question was. */
function useJob(onClose: () => void) {
  const action = useAction();
  const [job, setJob] = useState<number>();
  const begin = async (work: () => Promise<CommandAnswer>) => {
    const answer = await action.run(work);
    if (answer === undefined) return;
    void refreshJobs();
    if (answer.job !== undefined) return setJob(answer.job.id);
    addNote('good', answer.message ?? 'It has begun.');
    onClose();
  };
  return { action, job, begin };
}

export function VerifyDialog({ onClose }: DialogProps): JSX.Element {
  const [tables, setTables] = useState('');
  const { action, job, begin } = useJob(onClose);
  const names = tables
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (job !== undefined) return <JobDialog title="Verification" id={job} onClose={onClose} />;
  return (
    <Confirm
      title="Verify all active members?"
      label="Verify"
      action={action}
      onClose={onClose}
      onConfirm={() => void begin(() => commands.verify(names))}
    >
      <ul>
        <li>Commits are held for some milliseconds, so that all members are looked at in the same moment.</li>
        <li>Then schema, rows and sequences are compared while clients go on. It reads all data once.</li>
        <li>A member that differs from the others is taken out, and brought level by itself.</li>
      </ul>
      <TextField
        label="Only these tables (optional)"
        value={tables}
        help="Names with commas between them, such as public.orders, public.order_lines. Empty: all."
        mono
        onInput={setTables}
      />
    </Confirm>
  );
}

export function RepairDialog({
  members,
  onClose,
}: DialogProps & { readonly members: readonly string[] }): JSX.Element {
  const { action, job, begin } = useJob(onClose);
  const [dryRun, setDryRun] = useState(false);
  const who = members.join(', ');
  const member = members.length === 1 ? members[0] : undefined;
  if (job !== undefined) return <JobDialog title={`Repair of ${who}`} id={job} onClose={onClose} />;
  return (
    <Confirm
      title={`Repair ${who}?`}
      label={dryRun ? 'Begin the dry run' : `Repair ${who}`}
      action={action}
      onClose={onClose}
      onConfirm={() => void begin(() => commands.repair(member, dryRun))}
    >
      <ul>
        <li>Every table of {who} is compared with an active member, and only what differs is put right.</li>
        <li>Rows that are removed or overwritten are kept in a file first; its name is shown at the end.</li>
        <li>{who} takes no part meanwhile; clients go on with the others. Then it is active again.</li>
      </ul>
      <Check
        label="Dry run: find out which rows would change, and change nothing"
        checked={dryRun}
        onChange={setDryRun}
      />
    </Confirm>
  );
}
