/** The Cluster Databases table. */
import type { JSX } from 'preact';
import type { MemberStatus } from '../../contract.ts';
import type { Ask } from '../../state/asks.ts';
import { mayChange } from '../../state/session.ts';
import { memberWord } from '../../text/words.ts';
import { Badge, Tag } from '../../ui/badge.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Reason } from '../../ui/reason.tsx';
import { Switch } from '../../ui/switch.tsx';

interface DatabasesProps {
  readonly members: readonly MemberStatus[];
  readonly onAsk: (ask: Ask) => void;
  readonly onAdd: () => void;
}

export function Databases({ members, onAsk, onAdd }: DatabasesProps): JSX.Element {
  return (
    <section aria-labelledby="databases-title">
      <header class="section-head">
        <h2 id="databases-title">Cluster databases</h2>
        {mayChange.value && (
          <button type="button" class="button" onClick={onAdd}>
            <Icon name="plus" size={16} /> Add a database
          </button>
        )}
      </header>
      <div class="table-box">
        <table class="table stack">
          <thead>
            <tr>
              <th scope="col">Database</th>
              <th scope="col">URL</th>
              <th scope="col">Active</th>
              <th scope="col" class="number">
                Weight
              </th>
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {members.map((member) => (
              <DatabaseRow key={member.id} member={member} lone={members.length === 1} onAsk={onAsk} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface RowProps {
  readonly member: MemberStatus;
  readonly lone: boolean;
  readonly onAsk: (ask: Ask) => void;
}

function DatabaseRow({ member, lone, onAsk }: RowProps): JSX.Element {
  const { id, url, role, active, weight, sync } = member;
  const word = memberWord(member);
  // Whoever is on its way in is left to arrive; the last one stays.
  const fixed = !mayChange.value || lone || sync?.state === 'running';
  const button = (what: Ask['what'], label: string) => (
    <button
      type="button"
      class="button small"
      aria-label={`${label}: ${id}`}
      onClick={() => onAsk({ what, id })}
    >
      {label}
    </button>
  );
  return (
    <tr>
      <th scope="row">
        <span class="member-name">{id}</span> {role === 'primary' && <Tag strong>primary</Tag>}
      </th>
      <td data-label="URL">
        <span class="mono breaks">{url}</span>
      </td>
      <td data-label="Active">
        <div>
          {fixed ? (
            <Switch label={`${id} active`} on={active} text={active ? 'Yes' : 'No'} />
          ) : (
            <Switch
              label={`${id} active`}
              on={active}
              text={active ? 'Yes' : 'No'}
              onChange={() => onAsk({ what: active ? 'deactivate' : 'activate', id })}
            />
          )}{' '}
          {!active && <Badge tone={word.tone}>{word.text}</Badge>}
          <Reason member={member} />
        </div>
      </td>
      <td data-label="Weight" class="number">
        <span>{weight}</span>
      </td>
      <td>
        <div class="row-tools">
          {mayChange.value && button('test', 'Test')}
          {mayChange.value && button('edit', 'Edit')}
          {mayChange.value && !lone && button('remove', 'Remove')}
        </div>
      </td>
    </tr>
  );
}
