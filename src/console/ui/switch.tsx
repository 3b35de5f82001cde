import type { JSX } from 'preact';

interface SwitchProps {
  readonly label: string;
  readonly on: boolean;
  /** What it says beside the knob. */
  readonly text: string;
  /** Absent: it only shows. */
  readonly onChange?: () => void;
}

export function Switch({ label, on, text, onChange }: SwitchProps): JSX.Element {
  return (
    <button
      type="button"
      role="switch"
      class="switch"
      aria-label={label}
      aria-checked={on}
      disabled={onChange === undefined}
      onClick={onChange}
    >
      <span class="switch-track" aria-hidden="true" />
      <span>{text}</span>
    </button>
  );
}
