/** What is asked before something is done to a member. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { ClusterStatus, CommandAnswer, MemberStatus } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { followJob, refreshJobs } from '../../state/jobs.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { useAction } from '../../ui/use-action.ts';
import { SyncDialog } from './sync-dialog.tsx';

export interface MemberAsk {
  readonly what: 'activate' | 'deactivate' | 'primary' | 'sync' | 'cancel';
  readonly id: string;
}

interface DialogProps {
  readonly member: MemberStatus;
  readonly status: ClusterStatus;
  readonly onClose: () => void;
}

const dialogs: Readonly<Record<MemberAsk['what'], (props: DialogProps) => JSX.Element>> = {
  activate: ActivateDialog,
  deactivate: DeactivateDialog,
  primary: PrimaryDialog,
  sync: SyncDialog,
  cancel: CancelDialog,
};

interface MemberDialogProps extends Pick<DialogProps, 'status' | 'onClose'> {
  readonly ask: MemberAsk;
}

/** The member may have gone while the question stood. */
export function MemberDialog({ ask, status, onClose }: MemberDialogProps): JSX.Element | null {
  const member = status.members.find(({ id }) => id === ask.id);
  const Shown = dialogs[ask.what];
  return member === undefined ? null : <Shown member={member} status={status} onClose={onClose} />;
}

/** Sends the command; when it was taken, says so and closes the question. */
function useCommand(onClose: () => void) {
  const action = useAction();
  const send = async (work: () => Promise<CommandAnswer>, done: string) => {
    const answer = await action.run(work);
    if (answer === undefined) return;
    addNote(answer.job === undefined ? 'good' : 'info', answer.message ?? done);
    if (answer.job === undefined) void refreshJobs();
    else followJob(answer.job.id);
    onClose();
  };
  return { action, send };
}

function ActivateDialog({ member: { id }, onClose }: DialogProps): JSX.Element {
  const { action, send } = useCommand(onClose);
  return (
    <Confirm
      title={`Activate ${id}?`}
      label={`Activate ${id}`}
      action={action}
      onClose={onClose}
      onConfirm={() => void send(() => commands.sync({ member: id }), `${id} is being brought level.`)}
    >
      <p>This brings {id} level with the others and lets it take part again:</p>
      <ul>
        <li>
          Lockstep chooses the quickest way that is enough: the missed commits, a comparison, or a copy.
        </li>
        <li>Rows of {id} that differ from the cluster are replaced. They are kept in a file first.</li>
        <li>Clients go on reading and writing meanwhile. You can close this page; the work goes on.</li>
        <li>Then {id} is active by itself.</li>
      </ul>
    </Confirm>
  );
}

function DeactivateDialog({ member, status, onClose }: DialogProps): JSX.Element {
  const { id, role } = member;
  const [reason, setReason] = useState('');
  const { action, send } = useCommand(onClose);
  const left = status.members.filter((one) => one.active && one.id !== id).map((one) => one.id);
  return (
    <Confirm
      title={`Deactivate ${id}?`}
      label={`Deactivate ${id}`}
      danger
      action={action}
      onClose={onClose}
      onConfirm={() => void send(() => commands.deactivate(id, reason.trim()), `${id} is taken out.`)}
    >
      <p>This takes {id} out until somebody activates it again:</p>
      <ul>
        <li>It gets no more writes and answers no more reads. Nothing is done to its data.</li>
        {role === 'primary' && (
          <li>
            It is the primary: another member takes its place first. Open transactions are carried over.
          </li>
        )}
        <li>
          {left.length === 0
            ? 'It is the last active one: the node will refuse.'
            : left.length === 1
              ? `Only ${left[0]} stays active. If that one fails, clients have to wait.`
              : `${left.join(', ')} stay active.`}
        </li>
        <li>What is written meanwhile is given to it when it comes back.</li>
      </ul>
      <TextField
        label="Reason (optional)"
        help="Shown with the member, and kept with the event."
        value={reason}
        onInput={setReason}
      />
    </Confirm>
  );
}

function PrimaryDialog({ member: { id }, status, onClose }: DialogProps): JSX.Element {
  const { action, send } = useCommand(onClose);
  return (
    <Confirm
      title={`Make ${id} the primary?`}
      label={`Make ${id} primary`}
      action={action}
      onClose={onClose}
      onConfirm={() => void send(() => commands.switchPrimary(id), `${id} is the primary.`)}
    >
      <p>
        The primary executes every transaction first. This moves that from {status.primary ?? 'nobody'} to{' '}
        {id}:
      </p>
      <ul>
        <li>New writes wait for a moment while the order of commits is brought to its end.</li>
        <li>
          Open transactions get some seconds to end (`deadlines.switchMs`); the rest are run again on {id}.
        </li>
        <li>
          {status.primary ?? 'The old primary'} stays active as a replica. No client has to connect again.
        </li>
      </ul>
    </Confirm>
  );
}

function CancelDialog({ member: { id }, onClose }: DialogProps): JSX.Element {
  const { action, send } = useCommand(onClose);
  return (
    <Confirm
      title={`Stop synchronising ${id}?`}
      label="Stop"
      danger
      action={action}
      onClose={onClose}
      onConfirm={() => void send(() => commands.cancelSync(id), `${id} is left as it is.`)}
    >
      <ul>
        <li>{id} stays inactive, and nothing begins again by itself until you activate it.</li>
        <li>
          What was brought level so far is kept; the next synchronisation goes on from there where it can.
        </li>
      </ul>
    </Confirm>
  );
}
