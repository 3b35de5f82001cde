import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { ClusterStatus, MemberChange, MemberStatus, PreflightView } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Check } from '../../ui/field.tsx';
import { ErrorNotice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';
import type { Ask } from '../../state/asks.ts';
import { MemberDialog } from '../members/member-dialogs.tsx';
import { SyncDialog } from '../members/sync-dialog.tsx';
import { accessOf, DatabaseForm, emptyEntry, isShownAtField, weightOf } from './database-form.tsx';
import { Findings } from './findings.tsx';

interface DialogProps {
  readonly ask: Ask;
  readonly status: ClusterStatus;
  readonly onClose: () => void;
}

export function DatabaseDialog({ ask: { what, id }, status, onClose }: DialogProps): JSX.Element | null {
  const member = status.members.find((one) => one.id === id);
  if (member === undefined) return null;
  if (what === 'test') return <TestDialog member={member} onClose={onClose} />;
  if (what === 'edit') return <EditDialog member={member} onClose={onClose} />;
  if (what === 'remove') return <RemoveDialog member={member} last={isLast(status, id)} onClose={onClose} />;
  if (what === 'replace')
    return <SyncDialog member={member} status={status} onClose={onClose} begin="full" />;
  return <MemberDialog ask={{ what, id }} status={status} onClose={onClose} />;
}

/** Nobody else is active. */
function isLast({ members }: ClusterStatus, id: string): boolean {
  return !members.some((one) => one.active && one.id !== id);
}

interface MemberProps {
  readonly member: MemberStatus;
  readonly onClose: () => void;
}

function TestDialog({ member: { id }, onClose }: MemberProps): JSX.Element {
  const [report, setReport] = useState<PreflightView>();
  const action = useAction();
  const test = async () => {
    setReport(undefined);
    setReport(await action.run(() => commands.preflight({})));
  };
  useEffect(() => void test(), []);
  const own = report?.members.find((one) => one.id === id)?.findings ?? [];
  return (
    <Dialog title={`Test of ${id}`} onClose={onClose} wide>
      <div class="dialog-body">
        {action.busy && <p role="status">Looking at {id} …</p>}
        {report !== undefined && <Findings findings={[...own, ...report.cluster]} />}
        {action.error !== undefined && <ErrorNotice error={action.error} />}
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" aria-disabled={action.busy} onClick={() => void test()}>
          Test again
        </button>
        <button type="button" class="button primary" onClick={onClose}>
          Close
        </button>
      </footer>
    </Dialog>
  );
}

function EditDialog({ member, onClose }: MemberProps): JSX.Element {
  const { id, url, weight } = member;
  const [entry, setEntry] = useState({ ...emptyEntry(id), url, weight: String(weight) });
  const action = useAction();
  const save = async () => {
    const { url: nextUrl, ...access } = accessOf(entry);
    const nextWeight = weightOf(entry);
    const change: MemberChange = {
      ...access,
      ...(nextUrl !== url && { url: nextUrl }),
      ...(nextWeight !== undefined && nextWeight !== weight && { weight: nextWeight }),
    };
    if (Object.keys(change).length === 0) return onClose();
    const answer = await action.run(() => commands.editMember(id, change));
    if (answer === undefined) return;
    const later = answer.needsRestart.length > 0;
    addNote(
      'good',
      later ? `${id} is changed, in force when the node is started again.` : `${id} is changed.`,
    );
    onClose();
  };
  return (
    <Confirm
      title={`Edit ${id}`}
      label="Save"
      action={withoutFieldError(action)}
      onClose={onClose}
      onConfirm={() => void save()}
    >
      <DatabaseForm entry={entry} onChange={setEntry} error={action.error} isNew={false} />
      <p class="quiet-text">
        It is tried before it is saved. Weight, URL and password take effect at once, another user name when
        the node is started again. While {id} is active, another URL has to lead to the very server that it is
        at now.
      </p>
    </Confirm>
  );
}

/** What stands beside its field is not said twice. */
function withoutFieldError(action: ReturnType<typeof useAction>) {
  return isShownAtField(action.error) ? { ...action, error: undefined } : action;
}

function RemoveDialog({
  member: { id, role, active },
  last,
  onClose,
}: MemberProps & { readonly last: boolean }): JSX.Element {
  const [sure, setSure] = useState(false);
  const [free, setFree] = useState(true);
  const action = useAction();
  const remove = async () => {
    const answer = await action.run(() => commands.removeMember(id, free));
    if (answer === undefined) return;
    addNote('good', answer.message ?? `${id} is removed.`);
    onClose();
  };
  return (
    <Confirm
      title={`Remove ${id}?`}
      label={`Remove ${id}`}
      danger
      disabled={!sure}
      action={action}
      onClose={onClose}
      onConfirm={() => void remove()}
    >
      <ul>
        <li>{id} leaves the cluster and the configuration file. Your comments there stay.</li>
        <li>Nothing is done to its data; they no longer follow the cluster.</li>
        <li>
          {free
            ? 'It takes writes of its own again. To come back it is added anew, and then compared or copied.'
            : 'It goes on refusing writes that do not come from Lockstep, so that it can come back by what it missed.'}
        </li>
        {(role === 'primary' || (last && active)) && (
          <li>
            {last
              ? 'It is the last active one: the node will refuse. Activate another one first.'
              : 'It is the primary: another member takes its place first. No client notices.'}
          </li>
        )}
        <li>To take it out for a while only, deactivate it instead.</li>
      </ul>
      <Check
        label="Make it an ordinary database again"
        help="Removes from it what Lockstep needs there. Untick it to add the same database again soon."
        checked={free}
        onChange={setFree}
      />
      <Check label={`Yes, ${id} leaves for good`} checked={sure} onChange={setSure} />
    </Confirm>
  );
}
