import type { JSX } from 'preact';
import { clockAheadMs } from '../state/live.ts';
import { duration } from '../text/format.ts';
import { Notice } from '../ui/notice.tsx';

const WORTH_SAYING_MS = 60_000;

/** Every age on the page counts by the node's clock; a time of day on this computer would mislead. */
export function ClockBanner(): JSX.Element | null {
  const aheadMs = clockAheadMs.value;
  if (Math.abs(aheadMs) < WORTH_SAYING_MS) return null;
  return (
    <div class="standing">
      <Notice tone="info">
        <p>
          The clock of this computer is {duration(Math.abs(aheadMs))} {aheadMs > 0 ? 'behind' : 'ahead of'}{' '}
          that of the node. All times here are by the node's clock.
        </p>
      </Notice>
    </div>
  );
}
