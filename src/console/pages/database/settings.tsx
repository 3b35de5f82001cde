/** Every option of the node, in groups. What is changed is kept here until it is saved, all at once. */
import type { JSX } from 'preact';
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import type { ConfigOption, ConfigView } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { status } from '../../state/live.ts';
import { mayChange } from '../../state/session.ts';
import { amount } from '../../text/format.ts';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';
import { GROUPS, groupOf } from './option-groups.ts';
import { Lists } from './lists.tsx';
import { isWithinList, kindOf, textOf, valueOf } from './option-kind.ts';
import { OptionField } from './option-field.tsx';

/** What was entered and not saved stays while other pages are looked at. */
const entered = signal<Readonly<Record<string, string>>>({});

interface SettingsProps {
  readonly config: ConfigView;
  readonly onSaved: () => void;
}

export function Settings({ config, onSaved }: SettingsProps): JSX.Element {
  const edits = entered.value;
  const setEdits = (next: typeof edits) => (entered.value = next);
  const waiting = status.value?.file.waiting ?? [];
  const action = useAction();
  const shown = config.options.filter((option) => kindOf(option) !== 'list' && !isWithinList(config, option));
  const changed = shown.filter((option) => {
    const text = edits[option.path];
    // A secret that was not touched after all stays where it is.
    if (text === '' && option.type === 'secret') return false;
    return text !== undefined && text !== textOf(config, option);
  });
  const wrong = action.error?.field;

  const unsaved = changed.length > 0;
  useEffect(() => {
    if (!unsaved) return undefined;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [unsaved]);

  // The field that was refused is where to go on.
  useEffect(() => {
    if (wrong !== undefined) document.querySelector<HTMLElement>('.settings [aria-invalid="true"]')?.focus();
  }, [action.error]);

  const save = async () => {
    const changes = changed.map((option) => ({
      path: option.path,
      value: valueOf(kindOf(option), edits[option.path] ?? ''),
    }));
    const answer = await action.run(() => commands.changeConfig(changes));
    if (answer === undefined) return;
    setEdits({});
    addNote('good', savedText(answer.applied.length, answer.needsRestart.length));
    onSaved();
  };
  const undo = () => {
    setEdits({});
    action.clear();
  };
  const restarts = changed.filter(({ restart }) => restart).length;
  return (
    <section class="settings" aria-labelledby="settings-title">
      <header class="section-head">
        <h2 id="settings-title">Settings</h2>
        <span class="quiet-text">
          kept in <code class="breaks">{config.file}</code>
        </span>
      </header>
      {config.problems.map(({ severity, path, message, line }) => (
        <Notice
          key={`${path}${message}`}
          tone={severity === 'error' ? 'bad' : 'warn'}
          title={severity === 'error' ? 'The file cannot be used as it is' : 'Worth a look in the file'}
        >
          <p>
            {line !== null && `Line ${line}: `}
            {path !== '' && <code>{path}: </code>}
            {message}
          </p>
        </Notice>
      ))}
      {waiting.length > 0 && (
        <Notice tone="warn" title="Saved, but not yet in force">
          <p>
            {waiting.join(', ')} {waiting.length === 1 ? 'takes' : 'take'} effect when the node is started
            again.
          </p>
        </Notice>
      )}
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (changed.length > 0) void save();
        }}
      >
        {GROUPS.map((group) => (
          <Group
            key={group.title}
            title={group.title}
            text={group.text}
            open={group.open}
            options={shown.filter((option) => groupOf(option.path) === group)}
            holdsChange={changed.some((option) => groupOf(option.path) === group)}
          >
            {(option) => (
              <OptionField
                key={option.path}
                option={option}
                text={edits[option.path] ?? textOf(config, option)}
                changed={changed.includes(option)}
                error={wrong === option.path ? errorText(action.error) : undefined}
                onInput={(text) => {
                  setEdits({ ...edits, [option.path]: text });
                  if (wrong === option.path) action.clear();
                }}
              />
            )}
          </Group>
        ))}
        <Lists config={config} />
        {action.error !== undefined && !shown.some(({ path }) => path === wrong) && (
          <ErrorNotice error={action.error} />
        )}
        {changed.length > 0 && mayChange.value && (
          <div class="save-bar">
            <span role="status">
              {amount(changed.length, 'change')}
              {restarts > 0 && `, ${restarts} of them in force only after a restart of the node`}
            </span>
            <button type="button" class="button" onClick={undo}>
              Discard
            </button>
            <button type="submit" class="button primary" aria-disabled={action.busy}>
              {action.busy ? 'Saving …' : 'Save'}
            </button>
          </div>
        )}
      </form>
    </section>
  );
}

interface GroupProps {
  readonly title: string;
  readonly text: string;
  readonly open: boolean;
  readonly options: readonly ConfigOption[];
  readonly holdsChange: boolean;
  readonly children: (option: ConfigOption) => JSX.Element;
}

function Group({ title, text, open, options, holdsChange, children }: GroupProps): JSX.Element | null {
  // What was saved stays in sight.
  const held = useRef(open);
  if (holdsChange) held.current = true;
  if (options.length === 0) return null;
  return (
    <details class="card group" open={held.current}>
      <summary>
        <h3>{title}</h3>
        <span class="quiet-text">{text}</span>
      </summary>
      <div class="options">{options.map(children)}</div>
    </details>
  );
}

function errorText(
  error: { readonly message: string; readonly hint: string | undefined } | undefined,
): string {
  return [error?.message, error?.hint].filter((text) => text !== undefined).join(' – ');
}

function savedText(applied: number, restart: number): string {
  if (restart === 0) return 'Saved, and in force.';
  return applied === 0
    ? 'Saved. It takes effect when the node is started again.'
    : `Saved. ${amount(restart, 'change')} of it will take effect when the node is started again.`;
}
