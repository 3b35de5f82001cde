/** The configuration file has become something else than what the node works by: said on every page, with what to do. */
import type { JSX } from 'preact';
import { commands } from '../api/calls.ts';
import type { CommandAnswer } from '../contract.ts';
import { addNote } from '../state/announce.ts';
import { ask } from '../state/asks.ts';
import { status } from '../state/live.ts';
import { linkTo } from '../state/route.ts';
import { mayChange } from '../state/session.ts';
import { ErrorNotice, Notice } from '../ui/notice.tsx';
import { useAction } from '../ui/use-action.ts';

export function FileBanner(): JSX.Element | null {
  const file = status.value?.file;
  const action = useAction();
  if (file === undefined || (file.state === 'same' && action.error === undefined)) return null;
  const { missing, unread, fault } = file;
  const run = (work: () => Promise<CommandAnswer>, done: string) => async () => {
    const answer = await action.run(work);
    if (answer !== undefined) addNote('good', answer.message ?? done);
  };
  const button = (label: string, onClick: () => unknown, primary = false) => (
    <button
      type="button"
      class={primary ? 'button primary' : 'button'}
      aria-disabled={action.busy}
      onClick={() => void onClick()}
    >
      {label}
    </button>
  );
  const [first] = missing;
  return (
    <div class="standing">
      {fault !== null && (
        <Notice tone="bad" title="The configuration file cannot be used as it is now" urgent>
          <p class="pre">{fault}</p>
          <p>The node goes on by what it read before, and would not start with this file.</p>
          <a href={linkTo('database')}>See the file</a>
        </Notice>
      )}
      {first !== undefined && (
        <Notice
          tone="bad"
          title={`The configuration file does not name ${missing.join(', ')} any more`}
          urgent
        >
          <p>
            {missing.length === 1 ? `${first} is` : 'They are'} still part of the cluster. The node would not
            start with this file.
          </p>
          {mayChange.value && (
            <div class="row-tools">
              {button('Put it back', run(commands.restoreMembers, 'It is back in the file.'), true)}
              {button('Remove properly …', () => (ask.value = { what: 'remove', id: first }))}
            </div>
          )}
        </Notice>
      )}
      {unread.length > 0 && (
        <Notice tone="warn" title="The configuration file has changed on disk">
          <p>Changed in it, and not taken over: {unread.join(', ')}.</p>
          <div class="row-tools">
            <a class="button" href={linkTo('database')}>
              See the difference
            </a>
            {mayChange.value && button('Take it over', run(commands.reload, 'It is taken over.'), true)}
          </div>
        </Notice>
      )}
      {action.error !== undefined && <ErrorNotice error={action.error} />}
    </div>
  );
}
