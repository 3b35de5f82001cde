/** What happens is said aloud here, once; and notes on what was done come and go here. */
import type { JSX } from 'preact';
import { announcement, dropNote, notes } from '../state/announce.ts';
import { Icon } from './icon.tsx';

export function LiveRegion(): JSX.Element {
  return (
    <>
      <div class="unseen" role="log" aria-live="polite" aria-label="Changes of the cluster">
        {announcement.value}
      </div>
      <div class="notes" role="status">
        {notes.value.map(({ id, tone, text }) => (
          <div key={id} class={`note ${tone}`}>
            <Icon name={tone} />
            <span>{text}</span>
            <button
              type="button"
              class="button quiet square"
              aria-label="Dismiss"
              onClick={() => dropNote(id)}
            >
              <Icon name="bad" size={14} />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
