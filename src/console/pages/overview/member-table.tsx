import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { MemberStatus } from '../../contract.ts';
import { lastSample } from '../../state/live.ts';
import { linkTo } from '../../state/route.ts';
import { count, milliseconds, rate } from '../../text/format.ts';
import { memberWord } from '../../text/words.ts';
import { Badge, Tag } from '../../ui/badge.tsx';
import { Reason } from '../../ui/reason.tsx';
import { Ago } from '../../ui/moment.tsx';

/** Of twenty alike the charts would be far below. */
const SHOWN_MAX = 8;

export function MemberTable({ members }: { readonly members: readonly MemberStatus[] }): JSX.Element {
  const [all, setAll] = useState(false);
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
                Query time
              </th>
              <th scope="col" class="number">
                Lag
              </th>
              <th scope="col" class="number">
                Writes/s
              </th>
              <th scope="col" class="number">
                Reads/s
              </th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {inOrder(members)
              .slice(0, all ? members.length : SHOWN_MAX)
              .map((member) => (
                <MemberRow
                  key={member.id}
                  member={member}
                  reads={traffic[member.id]?.readsPerSecond}
                  writes={lastSample.value?.writesPerSecond}
                  mostReads={mostReads}
                />
              ))}
          </tbody>
        </table>
      </div>
      {members.length > SHOWN_MAX && (
        <div class="more">
          <button type="button" class="button" onClick={() => setAll(!all)}>
            {all ? 'Show fewer' : `Show all ${members.length} members`}
          </button>
        </div>
      )}
    </section>
  );
}

/** Whoever needs somebody's eye is in sight without scrolling. */
function inOrder(members: readonly MemberStatus[]): readonly MemberStatus[] {
  const rank = ({ active, role }: MemberStatus): number => (!active ? 0 : role === 'primary' ? 1 : 2);
  return [...members].sort((a, b) => rank(a) - rank(b));
}

interface RowProps {
  readonly member: MemberStatus;
  /** Of the cluster: every active member takes each. */
  readonly writes: number | undefined;
  readonly reads: number | undefined;
  readonly mostReads: number;
}

function MemberRow({ member, reads, writes, mostReads }: RowProps): JSX.Element {
  const { id, url, role, active, load, latencyMs, lagCsn, since } = member;
  const word = memberWord(member);
  return (
    <tr class={active ? undefined : 'out'}>
      <th scope="row">
        <span class="member-name">{id}</span>
        <span class="sub mono">{url.replace(/^postgres(ql)?:\/\//, '')}</span>
      </th>
      <td data-label="State">
        <Badge tone={word.tone}>{word.text}</Badge>
        <Reason member={member} />
      </td>
      <td data-label="Role">
        {role === 'none' ? <span>–</span> : <Tag strong={role === 'primary'}>{role}</Tag>}
      </td>
      <td data-label="Load" class="number">
        <span>{active ? count(load) : '–'}</span>
      </td>
      <td data-label="Query time" class="number">
        <span>{milliseconds(active ? latencyMs : null)}</span>
      </td>
      <td data-label="Lag" class="number">
        <span>{count(lagCsn)}</span>
      </td>
      <td data-label="Writes/s" class="number">
        <span>{rate(active ? writes : undefined)}</span>
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
