import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { WorkProgress } from '../contract.ts';
import { doneFraction, leftText, PHASES, progressWords } from '../text/words.ts';

/** So many per cent back are no matter of an estimate. */
const BACK = 5;

/** How far long work is: a bar where that can be said, and in words. */
export function Progress({
  label,
  progress,
}: {
  readonly label: string;
  readonly progress: WorkProgress | null;
}): JSX.Element {
  const done = progress === null ? undefined : doneFraction(progress);
  const percent = done === undefined ? undefined : Math.floor(done * 100);
  // Whoever sees a bar go back is told why it does.
  const furthest = useRef({ percent: 0, again: false });
  if (percent !== undefined && percent + BACK < furthest.current.percent) furthest.current.again = true;
  if (percent !== undefined) furthest.current.percent = percent;
  const phase = progress === null ? 'Beginning' : PHASES[progress.phase];
  const left = progress === null ? undefined : leftText(progress);
  return (
    <div class="progress">
      <div class="progress-head">
        <span>
          <strong>{phase}</strong>
          {percent !== undefined && <span class="number"> {percent} %</span>}
        </span>
        {left !== undefined && <span class="number">{left}</span>}
      </div>
      <progress aria-label={label} max={100} value={percent} />
      {furthest.current.again && (
        <p class="progress-words">
          Another pass: what differed, or has changed meanwhile, is gone over again.
        </p>
      )}
      {progress !== null && <p class="progress-words">{progressWords(progress).join(' · ')}</p>}
    </div>
  );
}
