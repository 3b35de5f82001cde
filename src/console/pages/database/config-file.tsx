import type { JSX } from 'preact';
import { commands } from '../../api/calls.ts';
import type { ConfigView } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { mayChange } from '../../state/session.ts';
import { difference } from '../../text/difference.ts';
import { ErrorNotice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';

const SIGNS = { same: ' ', gone: '−', new: '+' } as const;
const CLASSES = { same: '', gone: 'extra', new: 'missing' } as const;

interface ConfigFileProps {
  readonly config: ConfigView;
  readonly onRead: () => void;
}

/** The file as it is, comments and all: for whoever wants to see what was saved, or has changed it by hand. */
export function ConfigFile({ config, onRead }: ConfigFileProps): JSX.Element {
  const action = useAction();
  const read = async () => {
    const answer = await action.run(commands.reload);
    if (answer === undefined) return;
    addNote('good', readText(answer.applied, answer.needsRestart));
    onRead();
  };
  return (
    <details class="card group" open={config.before !== null}>
      <summary>
        <h2>The configuration file</h2>
        <span class="quiet-text breaks">{config.file}</span>
      </summary>
      {mayChange.value && (
        <p class="read-again">
          <button type="button" class="button" aria-disabled={action.busy} onClick={() => void read()}>
            {action.busy ? 'Reading …' : 'Read the file again'}
          </button>
          <span class="quiet-text">after it was changed by hand</span>
        </p>
      )}
      {action.error !== undefined && <ErrorNotice error={action.error} />}
      {config.before !== null && (
        <>
          <p>What is different from what the node read:</p>
          <ul class="rows mono difference" aria-label="Difference to what the node read">
            {difference(config.before, config.text).map(({ kind, text }, place) => (
              <li key={place} class={CLASSES[kind]}>
                <span class="row-sign">{SIGNS[kind]}</span>
                {text}
              </li>
            ))}
          </ul>
        </>
      )}
      <pre class="statement-box file" tabIndex={0} aria-label="Text of the configuration file">
        {config.text}
      </pre>
    </details>
  );
}

function readText(applied: readonly string[], needsRestart: readonly string[]): string {
  if (applied.length + needsRestart.length === 0) return 'The file says what is in force already.';
  return [
    ...(applied.length === 0 ? [] : [`In force: ${applied.join(', ')}.`]),
    ...(needsRestart.length === 0
      ? []
      : [`In force when the node is started again: ${needsRestart.join(', ')}.`]),
  ].join(' ');
}
