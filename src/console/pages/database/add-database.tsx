/** From one database to two, or from some to one more: step by step, each step proven before the next. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { MemberStatus, PreflightView } from '../../contract.ts';
import { ask } from '../../state/asks.ts';
import { refreshJobs } from '../../state/jobs.ts';
import { status } from '../../state/live.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { Progress } from '../../ui/progress.tsx';
import { useAction } from '../../ui/use-action.ts';
import { candidateOf, DatabaseForm, emptyEntry, inputOf, isShownAtField, tidied } from './database-form.tsx';
import type { DatabaseEntry } from './database-form.tsx';
import { FormerMember } from './former-member.tsx';
import { Lights, useLook } from './lights.tsx';
import { allFindings, Findings, isReady } from './findings.tsx';

interface AddProps {
  /** Clustering is being enabled: the database that is there is looked at first. */
  readonly first: boolean;
  readonly members: readonly MemberStatus[];
  readonly onClose: () => void;
}

type Step = 'present' | 'new' | 'confirm' | 'follow';

const STEPS: readonly { readonly step: Step; readonly title: string }[] = [
  { step: 'present', title: 'The database you have' },
  { step: 'new', title: 'The new database' },
  { step: 'confirm', title: 'What will happen' },
  { step: 'follow', title: 'Bringing it level' },
];

export function AddDatabase({ first: firstAtStart, members, onClose }: AddProps): JSX.Element {
  // The new member makes it more than one on the way.
  const [first] = useState(firstAtStart);
  const [step, setStep] = useState<Step>(first ? 'present' : 'new');
  const [entry, setEntry] = useState(() => emptyEntry(freeName(members)));
  const [report, setReport] = useState<PreflightView>();
  const action = useAction();
  const steps = STEPS.filter((one) => first || one.step !== 'present');
  const title = first ? 'Enable database clustering' : 'Add a database';

  const test = async (given: DatabaseEntry) => {
    const next = tidied(given);
    setReport(undefined);
    setEntry(next);
    setReport(await action.run(() => commands.preflight(step === 'present' ? {} : candidateOf(next))));
  };
  const add = async () => {
    const answer = await action.run(() => commands.addMember(inputOf(entry)));
    if (answer === undefined) return;
    void refreshJobs();
    setStep('follow');
  };
  const useOther = async () => {
    const answer = await action.run(() => commands.removeMember(entry.id.trim(), false));
    if (answer !== undefined) go('new');
  };
  const replace = () => {
    onClose();
    ask.value = { what: 'replace', id: entry.id.trim() };
  };
  const go = (next: Step) => {
    setReport(undefined);
    action.clear();
    setStep(next);
  };
  const change = (next: DatabaseEntry) => {
    setEntry(next);
    setReport(undefined);
    action.clear();
  };
  const look = useLook(step === 'new' ? candidateOf(entry) : {});
  const former = step === 'new' ? report?.members[0]?.former : undefined;
  const tested = report !== undefined && isReady(allFindings(report));

  return (
    <Dialog title={title} onClose={onClose} wide>
      <form
        class="dialog-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (step === 'confirm') void add();
          else if (step !== 'follow') void test(entry);
        }}
      >
        <div class="dialog-body">
          <ol class="steps">
            {steps.map((one) => (
              <li key={one.step} aria-current={one.step === step ? 'step' : undefined}>
                {one.title}
              </li>
            ))}
          </ol>
          {step === 'present' && (
            <p>
              First Lockstep looks at <strong>{members[0]?.id}</strong> (<code>{members[0]?.url}</code>):
              whether its data can be kept identical in a second place. Nothing is changed.
            </p>
          )}
          {step === 'new' && (
            <>
              <p class="quiet-text">
                Make an empty database on another server first, with the same encoding. Tables and data are
                copied into it.
              </p>
              <DatabaseForm entry={entry} onChange={change} error={action.error} isNew />
              <Lights {...look} />
            </>
          )}
          {step === 'confirm' && <WhatWillHappen entry={entry} />}
          {step === 'follow' && (
            <Follow id={entry.id.trim()} onOther={() => void useOther()} onReplace={replace} />
          )}
          {former !== undefined && (
            <FormerMember
              former={former}
              candidate={candidateOf(entry)}
              onName={(id) => void test({ ...entry, id })}
              onFreed={() => void test(entry)}
            />
          )}
          {report !== undefined && <Findings findings={allFindings(report)} />}
          {action.error !== undefined && !(step === 'new' && isShownAtField(action.error)) && (
            <ErrorNotice error={action.error} />
          )}
        </div>
        <footer class="dialog-foot">
          {step === 'follow' ? (
            <button type="button" class="button primary" onClick={onClose}>
              Close
            </button>
          ) : (
            <>
              <button type="button" class="button" onClick={onClose}>
                Cancel
              </button>
              {step === 'confirm' ? (
                <>
                  <button type="button" class="button" onClick={() => go('new')}>
                    Back
                  </button>
                  <button key="add" type="submit" class="button primary" aria-disabled={action.busy}>
                    {action.busy ? 'Adding …' : first ? 'Enable clustering' : `Add ${entry.id}`}
                  </button>
                </>
              ) : (
                <>
                  <button
                    key="test"
                    type="submit"
                    class={tested ? 'button' : 'button primary'}
                    aria-disabled={action.busy}
                  >
                    {action.busy ? 'Testing …' : step === 'present' ? 'Check it' : 'Test the connection'}
                  </button>
                  {tested && (
                    // Keyed: a button that turned into another one while it is clicked would send the form.
                    <button
                      key="continue"
                      type="button"
                      class="button primary"
                      onClick={() => go(step === 'present' ? 'new' : 'confirm')}
                    >
                      Continue
                    </button>
                  )}
                </>
              )}
            </>
          )}
        </footer>
      </form>
    </Dialog>
  );
}

function WhatWillHappen({ entry }: { readonly entry: DatabaseEntry }): JSX.Element {
  const { id, url } = entry;
  return (
    <>
      <p>
        <strong>{id}</strong>, <code class="breaks">{url}</code>
      </p>
      <ul>
        <li>It is written into the configuration file; your comments there stay.</li>
        <li>Schema and data of the cluster are copied into it, while clients go on reading and writing.</li>
        <li>
          Then what was written meanwhile follows, and {id} is active by itself: every commit is on it, too.
        </li>
        <li>
          If it holds tables of its own, nothing is overwritten unasked: it stays inactive, and says why.
        </li>
      </ul>
    </>
  );
}

interface FollowProps {
  readonly id: string;
  readonly onOther: () => void;
  readonly onReplace: () => void;
}

function Follow({ id, onOther, onReplace }: FollowProps): JSX.Element {
  const member = status.value?.members.find((one) => one.id === id);
  if (member?.active === true) {
    return (
      <div role="status">
        <Notice tone="good" title={`${id} is active`}>
          <p>It holds the same data as the others, and every commit is on it from now on.</p>
        </Notice>
      </div>
    );
  }
  const sync = member?.sync ?? null;
  const failed = sync?.state === 'waiting' && sync.reason !== null;
  if (failed && /data of its own/.test(sync.reason ?? '')) {
    return (
      <Notice tone="bad" title={`${id} is not brought level: it is not empty`} urgent>
        <p>
          {sync.reason}. Nothing of it was touched, and nothing happens until you say what is to become of it.
        </p>
        <div class="row-tools">
          <button type="button" class="button primary" onClick={onOther}>
            Use another database
          </button>
          <button type="button" class="button" onClick={onReplace}>
            Replace what it holds
          </button>
        </div>
      </Notice>
    );
  }
  return (
    <>
      <p>{id} is part of the cluster, and is being brought level. You can close this; the work goes on.</p>
      {failed ? (
        <Notice tone="warn" title={`${id} could not be brought level yet`}>
          <p>{sync.reason}</p>
          <p>It is tried again by itself.</p>
        </Notice>
      ) : (
        <Progress label={`Bringing ${id} level`} progress={sync?.progress ?? null} />
      )}
    </>
  );
}

/** db1, db2 → db3 */
function freeName(members: readonly MemberStatus[]): string {
  const taken = new Set(members.map(({ id }) => id));
  let number = members.length + 1;
  while (taken.has(`db${number}`)) number += 1;
  return `db${number}`;
}
