import type { JSX } from 'preact';
import { DatabaseDialog } from '../pages/database/database-dialogs.tsx';
import { ask } from '../state/asks.ts';
import { status } from '../state/live.ts';

/** The question that was asked from a reason, a card or a piece of work. */
export function Asked(): JSX.Element | null {
  const now = status.value;
  if (now === null || ask.value === undefined) return null;
  return <DatabaseDialog ask={ask.value} status={now} onClose={() => (ask.value = undefined)} />;
}
