import type { ComponentChildren, JSX } from 'preact';
import type { ConfigOption } from '../../contract.ts';
import { mayChange } from '../../state/session.ts';
import { Tag } from '../../ui/badge.tsx';
import { Field, typed } from '../../ui/field.tsx';
import type { FieldLinks } from '../../ui/field.tsx';
import { allowedText, choicesOf, inWords, kindOf, titleOf } from './option-kind.ts';
import { mayTypeSecrets, secretWords } from './typed-secrets.ts';

interface OptionFieldProps {
  readonly option: ConfigOption;
  readonly text: string;
  readonly changed: boolean;
  readonly error: string | undefined;
  readonly onInput: (text: string) => void;
}

/** These say who a cluster is: they are set once, in the file. */
const FIXED = new Set(['cluster', 'dialect', 'state']);

export function OptionField({ option, text, changed, error, onInput }: OptionFieldProps): JSX.Element {
  const { path, help, restart } = option;
  const { title, unit } = titleOf(option);
  const words = inWords(option, text);
  const fixed = FIXED.has(path) || !mayChange.value;
  return (
    <Field
      error={error}
      label={
        <>
          <span>
            {title}
            {unit !== undefined && <span class="unit"> ({unit})</span>}
          </span>
          {changed && <Tag strong>changed</Tag>}
          {restart && !FIXED.has(path) && <Tag>needs a restart</Tag>}
        </>
      }
      help={
        <>
          {words !== undefined && <b class="in-words">= {words}. </b>}
          {plain(help)} <Allowed option={option} /> <code class="path">{path}</code>
        </>
      }
    >
      {(links) => <Input option={option} text={text} links={links} fixed={fixed} onInput={onInput} />}
    </Field>
  );
}

interface InputProps {
  readonly option: ConfigOption;
  readonly text: string;
  readonly links: FieldLinks;
  readonly fixed: boolean;
  readonly onInput: (text: string) => void;
}

function Input({ option, text, links, fixed, onInput }: InputProps): ComponentChildren {
  const choices = choicesOf(option);
  if (option.type === 'secret') {
    return <SecretInput text={text} links={links} fixed={fixed} onInput={onInput} />;
  }
  if (choices !== undefined) {
    const value = text === '' && choices.includes(option.default) ? option.default : text;
    return (
      <select
        {...links}
        class="input"
        value={value}
        disabled={fixed}
        onChange={(event) => onInput(event.currentTarget.value)}
      >
        {!choices.includes(option.default) && <option value="">by default</option>}
        {choices.map((one) => (
          <option key={one} value={one}>
            {one === 'true' ? 'yes' : one === 'false' ? 'no' : one}
          </option>
        ))}
      </select>
    );
  }
  return (
    <input
      {...links}
      class="input mono"
      type="text"
      value={text}
      placeholder={placeholder(option)}
      disabled={fixed}
      autocomplete="off"
      spellcheck={false}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

/** Where the node finds it, or the password itself. */
function SecretInput({ text, links, fixed, onInput }: Omit<InputProps, 'option'>): JSX.Element {
  const [, kind = '', where = ''] = /^(file|env|here):(.*)$/s.exec(text) ?? [];
  return (
    <div class="secret">
      <select
        {...links}
        class="input"
        value={kind}
        disabled={fixed}
        onChange={(event) => {
          const next = event.currentTarget.value;
          // What was typed as a password is not shown as a path.
          onInput(next === '' ? '' : `${next}:${kind === 'here' || next === 'here' ? '' : where}`);
        }}
      >
        <option value="">as it is</option>
        <option value="file">in a file on the node</option>
        <option value="env">in an environment variable</option>
        {mayTypeSecrets && <option value="here">entered here, kept in the configuration file</option>}
      </select>
      {kind !== '' && (
        <input
          class="input mono"
          {...typed(kind === 'here')}
          aria-label={
            kind === 'file' ? 'Path of the file' : kind === 'env' ? 'Name of the variable' : 'The password'
          }
          value={where}
          disabled={fixed}
          spellcheck={false}
          onInput={(event) => onInput(`${kind}:${event.currentTarget.value}`)}
        />
      )}
    </div>
  );
}

function placeholder({ default: standard }: ConfigOption): string {
  return standard === 'none' || standard.startsWith('required') ? '' : plain(standard);
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}

function Allowed({ option }: { readonly option: ConfigOption }): JSX.Element | null {
  if (kindOf(option) === 'secret') return <>It is never shown. {secretWords}</>;
  const { default: standard } = option;
  const byDefault =
    standard.startsWith('required') || standard === '' ? '' : ` By default: ${plain(standard)}.`;
  if (choicesOf(option) !== undefined) return <>{byDefault}</>;
  return (
    <>
      Allowed: {allowedText(option)}.{byDefault}
    </>
  );
}
