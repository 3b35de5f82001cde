import type { JSX } from 'preact';
import type { MemberStatus } from '../../contract.ts';
import { mayChange } from '../../state/session.ts';
import { Switch } from '../../ui/switch.tsx';

interface ClusteringProps {
  readonly members: readonly MemberStatus[];
  readonly onEnable: () => void;
}

/** The one option that everybody looks for first. */
export function Clustering({ members, onEnable }: ClusteringProps): JSX.Element {
  const on = members.length > 1;
  const active = members.filter((member) => member.active).length;
  const text =
    active === members.length
      ? `It is on: ${active} databases hold the same data at every moment.`
      : `It is on: ${active} of ${members.length} databases ${active === 1 ? 'is' : 'are'} active.`;
  return (
    <section class="card clustering" aria-labelledby="clustering-title">
      <div>
        <h2 id="clustering-title">Enable database clustering</h2>
        <p class="quiet-text">
          {on
            ? `${text} To turn it off, remove databases until one is left.`
            : 'It is off: there is one database, and when it fails everything stands still. A second one can be added while clients work.'}
        </p>
      </div>
      {on || !mayChange.value ? (
        <Switch label="Database clustering" on={on} text={on ? 'On' : 'Off'} />
      ) : (
        <button type="button" class="button primary" onClick={onEnable}>
          Enable database clustering
        </button>
      )}
    </section>
  );
}
