/** The first configuration, asked for in the browser: one database, further ones, names and addresses; then the node starts. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { commands, getSetUp, writeSetUp } from '../../api/calls.ts';
import type { Finding, SetUpInput, SetUpState } from '../../contract.ts';
import { takeUrlApart } from '../../text/take-apart.ts';
import { TextField } from '../../ui/field.tsx';
import { ErrorNotice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';
import type { Action } from '../../ui/use-action.ts';
import { useLoaded } from '../../ui/use-loaded.ts';
import { Findings, isReady } from '../database/findings.tsx';
import { Lights, useLook } from '../database/lights.tsx';
import { NamesForm } from './names-form.tsx';
import { Starting } from './starting.tsx';

type Step = 'first' | 'further' | 'names' | 'start';

const STEPS: readonly { readonly step: Step; readonly title: string }[] = [
  { step: 'first', title: 'The first database' },
  { step: 'further', title: 'Further databases' },
  { step: 'names', title: 'Names and addresses' },
  { step: 'start', title: 'Start' },
];

export function SetUpPage(): JSX.Element {
  const { value, error, reload } = useLoaded(getSetUp, []);
  useEffect(() => {
    document.title = 'Set-up · Lockstep';
  }, []);
  return (
    <main class="set-up">
      <div class="login-brand">
        <img src="/icon.svg" alt="" width="36" height="36" />
        <h1>Set up Lockstep</h1>
      </div>
      {error !== undefined && <ErrorNotice error={error} retry={() => void reload()} />}
      {value !== undefined && <Steps begin={value} />}
    </main>
  );
}

function Steps({ begin }: { readonly begin: SetUpState }): JSX.Element {
  const [step, setStep] = useState<Step>(begin.state === 'asking' ? 'first' : 'start');
  const [entry, setEntry] = useState<SetUpInput>(begin.defaults);
  const [findings, setFindings] = useState<readonly Finding[]>();
  const action = useAction();
  const go = (next: Step) => {
    setFindings(undefined);
    action.clear();
    setStep(next);
  };
  const change = (part: Partial<SetUpInput>) => {
    setFindings(undefined);
    action.clear();
    setEntry({ ...entry, ...part });
  };
  const tested = findings !== undefined && isReady(findings);

  const test = async (members: SetUpInput['members']) => {
    setFindings(undefined);
    let empty = true;
    const seen = await action.run(async () => {
      const all: Finding[] = [];
      for (const { id, url } of members) {
        const view = await commands.preflight({ id, ...accessOf(entry, url) });
        const own = view.members.flatMap((one) => one.findings);
        empty &&= view.members.every(({ holds }) => holds === 'nothing');
        all.push(
          ...(members.length === 1 ? own : own.map((one) => ({ ...one, name: `${id}: ${one.name}` }))),
        );
      }
      return all;
    });
    setFindings(seen);
    // Into what is empty the first one's data are copied; over anything else nothing is written unasked.
    if (step === 'further' && seen !== undefined) setEntry((now) => ({ ...now, source: empty ? 'db1' : '' }));
  };
  const write = async () => {
    const answer = await action.run(() => writeSetUp(entry));
    if (answer === undefined) return;
    if (answer.written.length > 0) go('start');
    else setFindings(answer.findings);
  };
  const submit = async () => {
    if (step === 'first') await test(entry.members.slice(0, 1));
    else if (step === 'further') await test(entry.members.slice(1));
    else if (step === 'names') await write();
  };
  const after = step === 'first' ? 'further' : 'names';

  if (step === 'start') return <Starting />;
  return (
    <form
      class="card set-up-card"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <ol class="steps">
        {STEPS.map((one) => (
          <li key={one.step} aria-current={one.step === step ? 'step' : undefined}>
            {one.title}
          </li>
        ))}
      </ol>
      {step === 'first' && <FirstDatabase entry={entry} action={action} onChange={change} />}
      {step === 'further' && <FurtherDatabases entry={entry} onChange={change} />}
      {step === 'names' && (
        <NamesForm entry={entry} file={begin.file} error={action.error} onChange={change} />
      )}
      {findings !== undefined && <Findings key={step} findings={findings} />}
      {action.error !== undefined && !(step === 'names' && action.error.field !== undefined) && (
        <ErrorNotice error={action.error} />
      )}
      <footer class="set-up-foot">
        {step !== 'first' && (
          <button type="button" class="button" onClick={() => go(step === 'names' ? 'further' : 'first')}>
            Back
          </button>
        )}
        {step === 'names' ? (
          <button key="write" type="submit" class="button primary" aria-disabled={action.busy}>
            {action.busy ? 'Looking at all of it …' : 'Write the file and start'}
          </button>
        ) : (
          <>
            {(step === 'first' || entry.members.length > 1) && (
              <button
                key="test"
                type="submit"
                class={tested ? 'button' : 'button primary'}
                aria-disabled={action.busy}
              >
                {action.busy ? 'Testing …' : 'Test the connection'}
              </button>
            )}
            {(tested || (step === 'further' && entry.members.length === 1)) && (
              <button key="continue" type="button" class="button primary" onClick={() => go(after)}>
                {step === 'further' && entry.members.length === 1 ? 'Go on with one' : 'Continue'}
              </button>
            )}
          </>
        )}
      </footer>
    </form>
  );
}

function accessOf({ username, password }: SetUpInput, url: string) {
  return { url: url.trim(), username: username.trim(), ...(password !== '' && { password }) };
}

interface PartProps {
  readonly entry: SetUpInput;
  readonly onChange: (part: Partial<SetUpInput>) => void;
}

function FirstDatabase({ entry, action, onChange }: PartProps & { readonly action: Action }): JSX.Element {
  const [first = { id: 'db1', url: '' }, ...rest] = entry.members;
  const setUrl = (url: string) => onChange({ members: [{ ...first, url }, ...rest] });
  const look = useLook(accessOf(entry, first.url));
  const tidy = () => {
    const parts = takeUrlApart(first.url);
    if (parts === undefined) return;
    const { url, username, password } = parts;
    onChange({
      members: [{ ...first, url }, ...rest],
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    });
  };
  return (
    <>
      <p>
        Lockstep stands between your programs and their databases, and keeps the databases identical. Begin
        with the one that has your data. Nothing is changed by looking.
      </p>
      <TextField
        label="URL"
        value={first.url}
        error={action.error?.field === 'url' ? action.error.message : undefined}
        placeholder="postgres://server:5432/database"
        help="Server, port and database. What is pasted from JDBC is understood; a user and a password in it are put into their own fields."
        mono
        onInput={setUrl}
        onLeave={tidy}
      />
      <TextField
        label="User name"
        value={entry.username}
        help="The role with which Lockstep works on all databases."
        onInput={(username) => onChange({ username })}
      />
      <TextField
        label="Password"
        value={entry.password}
        help="It is kept in a file of its own beside the configuration, which only its owner may read. $NAME takes it from the environment of the node. Empty: none."
        hidden
        mono
        onInput={(password) => onChange({ password })}
      />
      <Lights {...look} mayHold />
    </>
  );
}

function FurtherDatabases({ entry, onChange }: PartProps): JSX.Element {
  const [first, ...further] = entry.members;
  const set = (urls: readonly string[]) =>
    onChange({
      members: [
        ...(first === undefined ? [] : [first]),
        ...urls.map((url, place) => ({ id: `db${place + 2}`, url })),
      ],
    });
  const urls = further.map(({ url }) => url);
  return (
    <>
      <p>
        Each further database holds the same data as the first. Make it empty, on another server, with the
        same encoding: schema and data are copied into it while clients work. They can be added later, too.
      </p>
      {urls.map((url, place) => (
        <Further
          key={place}
          id={`db${place + 2}`}
          url={url}
          entry={entry}
          onInput={(next) => set(urls.with(place, next))}
          onRemove={() => set(urls.toSpliced(place, 1))}
        />
      ))}
      <button type="button" class="button" onClick={() => set([...urls, ''])}>
        {urls.length === 0 ? 'Add a second database' : 'Add another one'}
      </button>
    </>
  );
}

interface FurtherProps {
  readonly id: string;
  readonly url: string;
  readonly entry: SetUpInput;
  readonly onInput: (url: string) => void;
  readonly onRemove: () => void;
}

function Further({ id, url, entry, onInput, onRemove }: FurtherProps): JSX.Element {
  const look = useLook(accessOf(entry, url));
  return (
    <fieldset class="set-up-further">
      <legend>{id}</legend>
      <TextField
        label={`URL of ${id}`}
        value={url}
        placeholder="postgres://server:5432/database"
        mono
        onInput={onInput}
        onLeave={() => onInput(takeUrlApart(url)?.url ?? url)}
      />
      <Lights {...look} />
      <button type="button" class="button small" onClick={onRemove}>
        Leave {id} out
      </button>
    </fieldset>
  );
}
