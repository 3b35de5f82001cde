/** A labelled field, with its help and what is wrong with it tied to it for screen readers. */
import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';
import { Icon } from './icon.tsx';

export interface FieldLinks {
  readonly id: string;
  readonly 'aria-describedby': string;
  readonly 'aria-invalid': boolean;
}

interface FieldProps {
  readonly label: ComponentChildren;
  readonly help?: ComponentChildren;
  readonly error?: string | undefined;
  readonly children: (links: FieldLinks) => ComponentChildren;
}

export function Field({ label, help, error, children }: FieldProps): JSX.Element {
  const id = useId();
  const wrong = error !== undefined;
  return (
    <div class={wrong ? 'field wrong' : 'field'}>
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': `${id}-help`, 'aria-invalid': wrong })}
      <div id={`${id}-help`} class="field-help">
        {wrong && (
          <p class="field-error">
            <Icon name="bad" size={14} /> {error}
          </p>
        )}
        {help !== undefined && <p>{help}</p>}
      </div>
    </div>
  );
}

/** Of an input; what is typed into a hidden one is shown to nobody. */
export function typed(hidden: boolean) {
  return hidden
    ? ({ type: 'password', autocomplete: 'new-password' } as const)
    : ({ type: 'text', autocomplete: 'off' } as const);
}

interface TextFieldProps {
  readonly label: ComponentChildren;
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** The focus goes elsewhere. */
  readonly onLeave?: () => void;
  readonly help?: ComponentChildren;
  readonly error?: string | undefined;
  readonly placeholder?: string;
  readonly disabled?: boolean;
  readonly mono?: boolean;
  /** What is typed is shown to nobody. */
  readonly hidden?: boolean;
}

export function TextField(props: TextFieldProps): JSX.Element {
  const { label, value, onInput, onLeave, help, error, placeholder } = props;
  const { disabled = false, mono = false, hidden = false } = props;
  return (
    <Field label={label} help={help} error={error}>
      {(links) => (
        <input
          {...links}
          class={mono ? 'input mono' : 'input'}
          {...typed(hidden)}
          value={value}
          placeholder={placeholder}
          disabled={disabled}
          autocapitalize="off"
          spellcheck={false}
          onInput={(event) => onInput(event.currentTarget.value)}
          onBlur={onLeave}
        />
      )}
    </Field>
  );
}

interface CheckProps {
  readonly label: ComponentChildren;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly help?: ComponentChildren;
}

export function Check({ label, checked, onChange, help }: CheckProps): JSX.Element {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={`${id}-help`}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <label for={id}>{label}</label>
      {help !== undefined && (
        <p id={`${id}-help`} class="field-help">
          {help}
        </p>
      )}
    </div>
  );
}

interface Choice<V extends string> {
  readonly value: V;
  readonly title: string;
  readonly text?: string;
}

interface ChoicesProps<V extends string> {
  readonly legend: string;
  readonly value: V;
  readonly choices: readonly Choice<V>[];
  readonly onChange: (value: V) => void;
}

/** One of a few, each with a word on what it means. */
export function Choices<V extends string>({
  legend,
  value,
  choices,
  onChange,
}: ChoicesProps<V>): JSX.Element {
  const name = useId();
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      {choices.map((choice) => (
        <label key={choice.value} class="choice">
          <input
            type="radio"
            name={name}
            checked={choice.value === value}
            onChange={() => onChange(choice.value)}
          />
          <span>
            <strong>{choice.title}</strong>{' '}
            {choice.text !== undefined && <span class="choice-text">{choice.text}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, title: string])[];
  readonly onChange: (value: string) => void;
}

/** A filter above a list. */
export function Select({ label, value, choices, onChange }: SelectProps): JSX.Element {
  const id = useId();
  return (
    <div class="filter">
      <label for={id}>{label}</label>
      <select id={id} class="input" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {choices.map(([one, title]) => (
          <option key={one} value={one}>
            {title}
          </option>
        ))}
      </select>
    </div>
  );
}

interface SearchProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

export function SearchField({ label, value, onInput }: SearchProps): JSX.Element {
  const id = useId();
  return (
    <div class="filter grow">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="input"
        type="search"
        value={value}
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </div>
  );
}
