/** A database that was removed is entered again: it comes back under its name, or forgets that it was a member. */
import type { JSX } from 'preact';
import { commands } from '../../api/calls.ts';
import type { Candidate } from '../../contract.ts';
import { addNote } from '../../state/announce.ts';
import { ErrorNotice, Notice } from '../../ui/notice.tsx';
import { useAction } from '../../ui/use-action.ts';

interface FormerProps {
  readonly former: string;
  readonly candidate: Candidate;
  readonly onName: (id: string) => void;
  /** It has no membership any more. */
  readonly onFreed: () => void;
}

export function FormerMember({ former, candidate, onName, onFreed }: FormerProps): JSX.Element {
  const action = useAction();
  const free = async () => {
    const { id: _, ...access } = candidate;
    const answer = await action.run(() => commands.freeDatabase(access));
    if (answer === undefined) return;
    addNote('good', answer.message ?? 'It is an ordinary database again.');
    onFreed();
  };
  return (
    <Notice tone="warn" title={`This database was part of the cluster before, as ${former}`}>
      <p>
        Under that name it comes back by what it missed, where that is still kept. Or it forgets its
        membership: then it is an ordinary database again, which takes writes of its own, with all that it
        holds.
      </p>
      <div class="row-tools">
        <button type="button" class="button primary" onClick={() => onName(former)}>
          Add it as {former}
        </button>
        <button type="button" class="button" aria-disabled={action.busy} onClick={() => void free()}>
          {action.busy ? 'Working …' : 'Forget its old membership'}
        </button>
      </div>
      {action.error !== undefined && <ErrorNotice error={action.error} />}
    </Notice>
  );
}
