/** Every member with what can be done about it. Each action says what it will do before it does it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { MemberStatus } from '../../contract.ts';
import { status } from '../../state/live.ts';
import { amount } from '../../text/format.ts';
import { Select, SearchField } from '../../ui/field.tsx';
import { Empty, PageHead, Waiting } from '../../ui/page.tsx';
import { MemberDialog } from './member-dialogs.tsx';
import type { MemberAsk } from './member-dialogs.tsx';
import { MemberPanel } from './member-panel.tsx';
import { RecentWork } from './recent-work.tsx';

const SHOWN = [
  ['all', 'All'],
  ['active', 'Active'],
  ['out', 'Not active'],
] as const;

export function MembersPage(): JSX.Element {
  const now = status.value;
  const [ask, setAsk] = useState<MemberAsk>();
  const [words, setWords] = useState('');
  const [shown, setShown] = useState('all');
  if (now === null) return <Waiting />;
  const members = now.members.filter((member) => matches(member, words, shown));
  return (
    <>
      <PageHead
        title="Members"
        text="The databases of this cluster: bring them in, take them out, choose the primary."
      />
      <div class="filters">
        <SearchField label="Find" value={words} onInput={setWords} />
        <Select label="Show" value={shown} choices={SHOWN} onChange={setShown} />
        <p class="filter-count" role="status">
          {amount(members.length, 'member')}
        </p>
      </div>
      {members.length === 0 ? (
        <Empty>No member matches.</Empty>
      ) : (
        <ul class="panels">
          {members.map((member) => (
            <MemberPanel key={member.id} member={member} lone={now.members.length === 1} onAsk={setAsk} />
          ))}
        </ul>
      )}
      <RecentWork />
      {ask !== undefined && <MemberDialog ask={ask} status={now} onClose={() => setAsk(undefined)} />}
    </>
  );
}

function matches({ id, url, reason, active }: MemberStatus, words: string, shown: string): boolean {
  if (shown !== 'all' && active !== (shown === 'active')) return false;
  return `${id} ${url} ${reason ?? ''}`.toLowerCase().includes(words.trim().toLowerCase());
}
