/** The clients of the node: who they are, what they run, and a way to stop that. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { commands, getSessions } from '../../api/calls.ts';
import type { ClientSession } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { now, status } from '../../state/live.ts';
import { mayChange } from '../../state/session.ts';
import { amount, duration } from '../../text/format.ts';
import { Tag } from '../../ui/badge.tsx';
import { Confirm } from '../../ui/dialog.tsx';
import { SearchField } from '../../ui/field.tsx';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { Empty, PageHead, Waiting } from '../../ui/page.tsx';
import { useAction } from '../../ui/use-action.ts';
import { useLoaded } from '../../ui/use-loaded.ts';
import { PauseButton } from './pause-button.tsx';

const EVERY_MS = 2000;

export function SessionsPage(): JSX.Element {
  const { value, error, reload } = useLoaded(getSessions, []);
  const [words, setWords] = useState('');
  const [asked, setAsked] = useState<ClientSession>();
  useEffect(() => {
    const timer = window.setInterval(() => void reload(), EVERY_MS);
    return () => window.clearInterval(timer);
  }, []);
  const shown = value?.sessions.filter((session) => hasWords(session, words));
  return (
    <>
      <PageHead title="Sessions" text="The clients that are connected, and what they run.">
        {mayChange.value && status.value !== null && <PauseButton paused={status.value.paused} />}
      </PageHead>
      {status.value?.paused === true && (
        <Notice tone="warn" title="Clients are paused">
          <p>
            New transactions wait until they are let go on. Clients stay connected; those that wait too long
            give up.
          </p>
        </Notice>
      )}
      <div class="filters">
        <SearchField label="Find" value={words} onInput={setWords} />
        <p class="filter-count" role="status">
          {shown !== undefined && amount(shown.length, 'session')}
        </p>
      </div>
      {error !== undefined && error.status !== 0 && <ErrorNotice error={error} />}
      {shown === undefined && error === undefined && <Waiting />}
      {shown?.length === 0 && (
        <Empty>{words === '' ? 'No client is connected.' : 'No session matches.'}</Empty>
      )}
      {shown !== undefined && shown.length > 0 && <SessionTable sessions={shown} onCancel={setAsked} />}
      {asked !== undefined && <CancelDialog session={asked} onClose={() => setAsked(undefined)} />}
    </>
  );
}

interface TableProps {
  readonly sessions: readonly ClientSession[];
  readonly onCancel: (session: ClientSession) => void;
}

function SessionTable({ sessions, onCancel }: TableProps): JSX.Element {
  return (
    <div class="table-box">
      <table class="table stack sessions">
        <thead>
          <tr>
            <th scope="col">Client</th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              For
            </th>
            <th scope="col">Member</th>
            <th scope="col">Statement</th>
            {mayChange.value && (
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {sessions.map((session) => (
            <tr key={session.id}>
              <th scope="row">
                {nameOf(session)}
                <span class="sub">
                  {session.user} from {session.address}
                </span>
              </th>
              <td data-label="State">
                <Tag strong={session.state === 'active'}>{session.state}</Tag>
              </td>
              <td data-label="For" class="number">
                <span>{duration(now.value - Date.parse(session.since))}</span>
              </td>
              <td data-label="Member">
                <span>{session.member ?? '–'}</span>
              </td>
              <td data-label="Statement" class="statement">
                <code>{session.statement ?? '–'}</code>
              </td>
              {mayChange.value && (
                <td>
                  {session.state === 'active' && (
                    <div class="row-tools">
                      <button
                        type="button"
                        class="button small"
                        aria-label={`Cancel what session ${session.id} runs`}
                        onClick={() => onCancel(session)}
                      >
                        Cancel
                      </button>
                    </div>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface CancelProps {
  readonly session: ClientSession;
  readonly onClose: () => void;
}

function CancelDialog({ session, onClose }: CancelProps): JSX.Element {
  const action = useAction();
  const cancel = async () => {
    const answer = await action.run(() => commands.cancelSession(session.id));
    if (answer === undefined) return;
    addNote('good', answer.message ?? 'The statement is cancelled.');
    onClose();
  };
  return (
    <Confirm
      title="Cancel what this client runs?"
      label="Cancel the statement"
      danger
      action={action}
      onClose={onClose}
      onConfirm={() => void cancel()}
    >
      <p>
        {nameOf(session)}, from {session.address}
      </p>
      <pre class="statement-box">{session.statement ?? 'no statement'}</pre>
      <ul>
        <li>
          The statement ends with an error that the client can deal with (57014), and its transaction is
          rolled back.
        </li>
        <li>The client stays connected. If it runs nothing by then, nothing happens.</li>
      </ul>
    </Confirm>
  );
}

function nameOf({ application, user }: ClientSession): string {
  return application === null || application === '' ? user : application;
}

function hasWords(session: ClientSession, words: string): boolean {
  const { user, application, address, state, statement, member } = session;
  const asked = words.trim().toLowerCase();
  return `${user} ${application ?? ''} ${address} ${state} ${statement ?? ''} ${member ?? ''}`
    .toLowerCase()
    .includes(asked);
}
