/** Lets new transactions wait, for work behind the node's back, and lets them go on. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { commands } from '../../api/calls.ts';
import { addNote } from '../../state/announce.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { useAction } from '../../ui/use-action.ts';

export function PauseButton({ paused }: { readonly paused: boolean }): JSX.Element {
  const [asked, setAsked] = useState(false);
  const action = useAction();
  const close = () => {
    setAsked(false);
    action.clear();
  };
  const send = async () => {
    const answer = await action.run(paused ? commands.resume : commands.pause);
    if (answer === undefined) return;
    addNote('good', answer.message ?? 'Done.');
    close();
  };
  return (
    <>
      <button type="button" class={paused ? 'button primary' : 'button'} onClick={() => setAsked(true)}>
        {paused ? 'Let clients go on' : 'Pause clients'}
      </button>
      {asked && (
        <Confirm
          title={paused ? 'Let clients go on?' : 'Pause clients?'}
          label={paused ? 'Go on' : 'Pause'}
          danger={!paused}
          action={action}
          onClose={close}
          onConfirm={() => void send()}
        >
          <ul>
            {paused ? (
              <li>Transactions that wait begin now, in the order in which they came.</li>
            ) : (
              <>
                <li>Transactions that are open go on to their end. New ones wait.</li>
                <li>No client is disconnected; to its users it looks as if everything were slow.</li>
                <li>It lasts until somebody lets them go on, here or elsewhere.</li>
              </>
            )}
          </ul>
        </Confirm>
      )}
    </>
  );
}
