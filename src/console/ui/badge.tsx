/** A state in a word, with a sign of its own: never by colour alone. */
import type { ComponentChildren, JSX } from 'preact';
import type { Tone } from '../text/words.ts';
import { Icon } from './icon.tsx';

export function Badge({
  tone,
  children,
}: {
  readonly tone: Tone;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <span class={`badge ${tone}`}>
      <Icon name={tone} size={13} />
      {children}
    </span>
  );
}

/** A word without a judgement: a role, a level. */
export function Tag({
  children,
  strong = false,
}: {
  readonly children: ComponentChildren;
  readonly strong?: boolean;
}): JSX.Element {
  return <span class={strong ? 'tag strong' : 'tag'}>{children}</span>;
}
