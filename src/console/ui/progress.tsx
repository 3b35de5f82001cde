import type { JSX } from 'preact';
import type { WorkProgress } from '../contract.ts';
import { doneFraction, leftText, PHASES, progressWords } from '../text/words.ts';

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
      {progress !== null && <p class="progress-words">{progressWords(progress).join(' · ')}</p>}
    </div>
  );
}
