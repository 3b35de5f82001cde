import type { JSX } from 'preact';
import { now } from '../state/live.ts';
import { ago, inBothZones } from '../text/format.ts';

/** How long ago something was, going on by itself. */
export function Ago({ at }: { readonly at: string }): JSX.Element {
  return (
    <time dateTime={at} title={at === '' ? undefined : inBothZones(at)}>
      {ago(at, now.value)}
    </time>
  );
}
