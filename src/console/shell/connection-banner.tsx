/** Says when what is shown is old, since when, and when the node is asked again. */
import type { JSX } from 'preact';
import { connection, now, retryNow } from '../state/live.ts';
import { duration } from '../text/format.ts';
import { Notice } from '../ui/notice.tsx';

/** A connection that comes back within this time is not worth a word. */
const QUIET_MS = 1500;

export function ConnectionBanner(): JSX.Element | null {
  const link = connection.value;
  if (link.state !== 'lost') return null;
  const lostMs = Math.max(0, now.value - link.since);
  if (lostMs < QUIET_MS) return null;
  const nextS = Math.ceil((link.retryAt - now.value) / 1000);
  return (
    <div class="banner">
      <Notice tone="bad" title="The connection to the node is lost" urgent>
        <p>
          What you see is {duration(lostMs)} old. The databases and their clients do not depend on this page.{' '}
          {nextS > 0 ? `It is tried again in ${nextS} s.` : 'It is being tried again.'}
        </p>
        <button type="button" class="button" onClick={retryNow}>
          Try now
        </button>
      </Notice>
    </div>
  );
}
