/** Why a member is where it is, and the one thing to do about it. Pure. */
import type { MemberStatus } from '../contract.ts';

/** The latest that is known: what the last attempt to bring it level met says more than why it went out. */
export function reasonOf({ active, reason, sync }: MemberStatus): string | null {
  if (active) return null;
  return (sync?.state === 'waiting' ? sync.reason : null) ?? reason;
}

export type Remedy = 'replace' | 'edit' | 'activate' | 'test';

/** Undefined: there is nothing to do, or it is being done. */
export function remedyOf(member: MemberStatus): Remedy | undefined {
  const { active, state, sync } = member;
  if (active || sync?.state === 'running') return undefined;
  const reason = reasonOf(member) ?? '';
  if (/data of its own/.test(reason)) return 'replace';
  if (
    /password authentication|no pg_hba|role .* does not exist|does not exist|no machine is known/.test(reason)
  )
    return 'edit';
  if (state === 'held') return 'activate';
  return /\((E[A-Z_]+)\)|no answer/.test(reason) ? 'test' : 'activate';
}

export const REMEDIES: Readonly<Record<Remedy, string>> = {
  replace: 'Replace what it holds',
  edit: 'Edit its URL or login',
  activate: 'Activate it now',
  test: 'Test the connection',
};
