/**
 * The life of a member, as a complete table: every state answers every event.
 *
 *   new ──trusted──▶ active ──failed──▶ inactive ──trusted──▶ active
 *                      │                    ▲ │
 *                      └──operator-out──▶ held ◀──operator-out
 *
 * active    takes part in writes and reads; has every acknowledged commit.
 * inactive  left alone; may have missed commits; carries a reason; comes back when it is proven level.
 * held      as inactive, but an operator took it out and only an operator brings it back.
 * new       configured, never yet trusted.
 */

export type MemberState = 'new' | 'active' | 'inactive' | 'held';

export type MemberEvent =
  /** Proven to hold every acknowledged commit. */
  | 'trusted'
  /** It failed, was late, or was found unfit. */
  | 'failed'
  | 'operator-out'
  | 'operator-in';

/** 'same': nothing to record. 'refuse': the event does not apply, and its sender is told so. */
type Step = MemberState | 'same' | 'refuse';

export const memberStates: Readonly<Record<MemberState, Readonly<Record<MemberEvent, Step>>>> = {
  new: { trusted: 'active', failed: 'inactive', 'operator-out': 'held', 'operator-in': 'refuse' },
  active: { trusted: 'same', failed: 'inactive', 'operator-out': 'held', 'operator-in': 'same' },
  inactive: { trusted: 'active', failed: 'same', 'operator-out': 'held', 'operator-in': 'active' },
  held: { trusted: 'refuse', failed: 'same', 'operator-out': 'same', 'operator-in': 'active' },
};
