import type { JSX } from 'preact';
import { connection, status } from '../state/live.ts';
import { leaveByWish, session } from '../state/session.ts';
import { theme, toggleTheme } from '../state/theme.ts';
import { lossVerdict, writeVerdict } from '../text/words.ts';
import type { Tone } from '../text/words.ts';
import { Badge, Tag } from '../ui/badge.tsx';
import { Icon } from '../ui/icon.tsx';

export function Header(): JSX.Element {
  const now = status.value;
  const readOnly = session.value.state === 'signed-in' && session.value.info.role === 'read-only';
  const other = theme.value === 'dark' ? 'light' : 'dark';
  return (
    <header class="top">
      <a class="brand" href="#/overview">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <span class="brand-name">Lockstep</span>
        {now !== null && <span class="brand-cluster">{now.cluster}</span>}
      </a>
      <div class="top-state">
        {now !== null && <Summary />}
        {readOnly && <Tag>Read only</Tag>}
      </div>
      <div class="top-tools">
        <button
          type="button"
          class="button quiet square"
          aria-label={`Use the ${other} theme`}
          title={`Use the ${other} theme`}
          onClick={toggleTheme}
        >
          <Icon name={theme.value === 'dark' ? 'sun' : 'moon'} />
        </button>
        <button
          type="button"
          class="button quiet square"
          aria-label="Sign out"
          title="Sign out"
          onClick={() => void leaveByWish()}
        >
          <Icon name="leave" />
        </button>
      </div>
    </header>
  );
}

const SUMMARIES: Readonly<Record<Tone, string>> = {
  good: 'Can write',
  warn: 'Paused',
  bad: 'Cannot write',
  busy: 'Busy',
  idle: 'Stand-by',
};

/** The cluster in a word, on every page. */
function Summary(): JSX.Element | null {
  const now = status.value;
  if (now === null) return null;
  if (connection.value.state === 'lost') return <Badge tone="bad">Not connected</Badge>;
  const write = writeVerdict(now);
  if (write.tone !== 'good') return <Badge tone={write.tone}>{SUMMARIES[write.tone]}</Badge>;
  const loss = lossVerdict(now);
  if (loss.tone === 'good') return <Badge tone="good">All well</Badge>;
  return <Badge tone={loss.tone}>{loss.answer === 'No' ? 'No spare member' : 'Member missing'}</Badge>;
}
