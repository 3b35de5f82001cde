/** Why a member is not active, with the one thing that helps. */
import type { JSX } from 'preact';
import type { MemberStatus } from '../contract.ts';
import { ask } from '../state/asks.ts';
import { mayChange } from '../state/session.ts';
import { reasonOf, REMEDIES, remedyOf } from '../text/reasons.ts';

export function Reason({ member }: { readonly member: MemberStatus }): JSX.Element | null {
  const reason = reasonOf(member);
  if (reason === null) return null;
  const remedy = mayChange.value ? remedyOf(member) : undefined;
  return (
    <span class="sub wrap reason">
      <span>{reason}</span>
      {remedy !== undefined && (
        <button
          type="button"
          class="button small"
          aria-label={`${REMEDIES[remedy]}: ${member.id}`}
          onClick={() => (ask.value = { what: remedy, id: member.id })}
        >
          {REMEDIES[remedy]}
        </button>
      )}
    </span>
  );
}
