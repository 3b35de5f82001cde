/** Brings a member level in a chosen way, or finds out what that would change. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { SyncInput } from '../../api/calls.ts';
import type { ClusterStatus, MemberStatus, SyncStrategy } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { followJob, refreshJobs } from '../../state/jobs.ts';
import { STRATEGIES } from '../../text/words.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { Check, Choices, TextField } from '../../ui/field.tsx';
import { Notice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';
import { JobDialog } from './job-dialog.tsx';

interface SyncDialogProps {
  readonly member: MemberStatus;
  readonly status: ClusterStatus;
  readonly onClose: () => void;
  /** What is chosen at first. */
  readonly begin?: SyncStrategy;
}

/** They do what cannot be taken back by trying again. */
const GRAVE: Readonly<Partial<Record<SyncStrategy, string>>> = {
  full: 'Everything that is in this database is removed and copied anew. Only the schemas and rows of the cluster are in it afterwards.',
  passive:
    'Nothing is compared. If the member is not level, clients get wrong answers from it until a verification finds out.',
};

export function SyncDialog({ member: { id }, onClose, begin: first }: SyncDialogProps): JSX.Element {
  const [strategy, setStrategy] = useState<SyncStrategy | ''>(first ?? '');
  const [dryRun, setDryRun] = useState(false);
  const [rate, setRate] = useState('');
  const [sure, setSure] = useState(false);
  const [job, setJob] = useState<number>();
  const action = useAction();
  const grave = strategy === '' || dryRun ? undefined : GRAVE[strategy];
  const rateError =
    rate.trim() === '' || Number(rate) >= 0.1 ? undefined : 'A number of megabytes, at least 0.1.';

  const begin = async () => {
    const input: SyncInput = {
      member: id,
      ...(strategy !== '' && { strategy }),
      ...(dryRun && { dryRun }),
      ...(rate.trim() !== '' && { maxRate: Math.round(Number(rate) * 1e6) }),
    };
    const answer = await action.run(() => commands.sync(input));
    if (answer === undefined) return;
    if (dryRun && answer.job !== undefined) {
      void refreshJobs();
      return setJob(answer.job.id);
    }
    if (answer.job !== undefined) followJob(answer.job.id);
    addNote('info', `${id} is being brought level.`);
    onClose();
  };

  if (job !== undefined) return <JobDialog title={`Dry run for ${id}`} id={job} onClose={onClose} />;
  return (
    <Confirm
      title={`Synchronise ${id}`}
      label={dryRun ? 'Begin the dry run' : `Synchronise ${id}`}
      danger={grave !== undefined}
      disabled={(grave !== undefined && !sure) || rateError !== undefined}
      action={action}
      onClose={onClose}
      onConfirm={() => void begin()}
    >
      <Choices legend="How" value={strategy} choices={STRATEGIES} onChange={setStrategy} />
      <TextField
        label="At most (MB/s, optional)"
        value={rate}
        error={rateError}
        help="Limits what is read from the other members, so that their work is not slowed. Empty: as configured."
        onInput={setRate}
      />
      <Check
        label="Dry run: find out which rows would change, and change nothing"
        checked={dryRun}
        onChange={setDryRun}
      />
      {grave === undefined ? (
        <p class="quiet-text">
          {dryRun
            ? `${id} stays inactive. You get the tables and rows that a synchronisation would change.`
            : `Clients go on meanwhile. ${id} becomes active when it is level.`}
        </p>
      ) : (
        <Notice tone="warn" title="This cannot be undone">
          <p>{grave}</p>
          <Check label={`Yes, do that to ${id}`} checked={sure} onChange={setSure} />
        </Notice>
      )}
    </Confirm>
  );
}
