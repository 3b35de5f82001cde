import type { JSX } from 'preact';
import type { MemberStatus } from '../../contract.ts';
import { lastSample } from '../../state/live.ts';
import { linkTo } from '../../state/route.ts';
import { count, milliseconds, rate } from '../../text/format.ts';
import { memberWord } from '../../text/words.ts';
import { Badge, Tag } from '../../ui/badge.tsx';
import { Ago } from '../../ui/moment.tsx';

export function MemberTable({ members }: { readonly members: readonly MemberStatus[] }): JSX.Element {
  const traffic = lastSample.value?.members ?? {};
  const mostReads = Math.max(1, ...Object.values(traffic).map(({ readsPerSecond }) => readsPerSecond));
  return (
    <section aria-labelledby="members-title">
      <header class="section-head">
        <h2 id="members-title">Members</h2>
        <a href={linkTo('members')}>Activate, synchronise, switch the primary</a>
      </header>
      <div class="table-box">
        <table class="table stack">
          <thead>
            <tr>
              <th scope="col">Member</th>
              <th scope="col">State</th>
              <th scope="col">Role</th>
              <th scope="col" class="number">
                Load
              </th>
              <th scope="col" class="number">
                Latency
              </th>
              <th scope="col" class="number">
                Lag
              </th>
              <th scope="col" class="number">
                Reads/s
              </th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {members.map((member) => (
              <MemberRow
                key={member.id}
                member={member}
                reads={traffic[member.id]?.readsPerSecond}
                mostReads={mostReads}
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface RowProps {
  readonly member: MemberStatus;
  readonly reads: number | undefined;
  readonly mostReads: number;
}

function MemberRow({ member, reads, mostReads }: RowProps): JSX.Element {
  const { id, url, role, active, reason, load, latencyMs, lagCsn, since } = member;
  const word = memberWord(member);
  return (
    <tr class={active ? undefined : 'out'}>
      <th scope="row">
        <span class="member-name">{id}</span>
        <span class="sub mono">{url.replace(/^postgres(ql)?:\/\//, '')}</span>
      </th>
      <td data-label="State">
        <Badge tone={word.tone}>{word.text}</Badge>
        {reason !== null && <span class="sub wrap">{reason}</span>}
      </td>
      <td data-label="Role">
        {role === 'none' ? <span>–</span> : <Tag strong={role === 'primary'}>{role}</Tag>}
      </td>
      <td data-label="Load" class="number">
        <span>{active ? count(load) : '–'}</span>
      </td>
      <td data-label="Latency" class="number">
        <span>{milliseconds(active ? latencyMs : null)}</span>
      </td>
      <td data-label="Lag" class="number">
        <span>{count(lagCsn)}</span>
      </td>
      <td data-label="Reads/s" class="number reads">
        <span>
          <meter class="reads-bar" min={0} max={mostReads} value={reads ?? 0} aria-hidden="true" />
          {rate(active ? reads : undefined)}
        </span>
      </td>
      <td data-label="Since">
        <Ago at={since} />
      </td>
    </tr>
  );
}
