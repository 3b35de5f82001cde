import type { ComponentChildren, JSX } from 'preact';
import type { MemberStatus } from '../../contract.ts';
import { lastSample } from '../../state/live.ts';
import { mayChange } from '../../state/session.ts';
import { count, milliseconds, rate } from '../../text/format.ts';
import { memberWord } from '../../text/words.ts';
import { Badge, Tag } from '../../ui/badge.tsx';
import { Ago } from '../../ui/moment.tsx';
import { Progress } from '../../ui/progress.tsx';
import { Reason } from '../../ui/reason.tsx';
import type { MemberAsk } from './member-dialogs.tsx';

interface PanelProps {
  readonly member: MemberStatus;
  /** There is no other. */
  readonly lone: boolean;
  readonly onAsk: (ask: MemberAsk) => void;
}

export function MemberPanel({ member, lone, onAsk }: PanelProps): JSX.Element {
  const { id, url, role, active, since, sync } = member;
  const word = memberWord(member);
  const reads = lastSample.value?.members[id]?.readsPerSecond;
  return (
    <li class={active ? 'panel' : 'panel out'} aria-label={`Member ${id}`}>
      <div class="panel-who">
        <h2>{id}</h2>
        {role !== 'none' && <Tag strong={role === 'primary'}>{role}</Tag>}
        <Badge tone={word.tone}>{word.text}</Badge>
      </div>
      <p class="panel-url mono">{url}</p>
      <dl class="panel-facts">
        <Fact name="Load">{active ? count(member.load) : '–'}</Fact>
        <Fact name="Query time">{milliseconds(active ? member.latencyMs : null)}</Fact>
        <Fact name="Lag">{count(member.lagCsn)}</Fact>
        <Fact name="Reads/s">{rate(active ? reads : undefined)}</Fact>
        <Fact name="Weight">{member.weight}</Fact>
        <Fact name="Version">{member.version ?? '–'}</Fact>
        <Fact name={active ? 'Active since' : 'Out since'}>
          <Ago at={since} />
        </Fact>
      </dl>
      {!active && (
        <div class="panel-reason">
          <Reason member={member} />
        </div>
      )}
      {sync?.state === 'running' && <Progress label={`Synchronising ${id}`} progress={sync.progress} />}
      {mayChange.value && <Actions member={member} lone={lone} onAsk={onAsk} />}
    </li>
  );
}

function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}

function Actions({ member, lone, onAsk }: PanelProps): JSX.Element {
  const { id, active, role, sync } = member;
  const running = sync?.state === 'running';
  const button = (what: MemberAsk['what'], label: string, look = 'button') => (
    <button type="button" class={look} aria-label={`${label}: ${id}`} onClick={() => onAsk({ what, id })}>
      {label}
    </button>
  );
  return (
    <div class="panel-actions">
      {active && role !== 'primary' && button('primary', 'Make primary')}
      {active && !lone && button('deactivate', 'Deactivate')}
      {!active && !running && button('activate', 'Activate', 'button primary')}
      {!active && !running && button('sync', 'Synchronise …')}
      {running && button('cancel', 'Stop')}
    </div>
  );
}
