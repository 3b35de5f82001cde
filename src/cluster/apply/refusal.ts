/** What a member answers to a record that it cannot apply. Pure. */

import { InvariantError } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Blame } from '../../dialects/contract.ts';

/** SQL's own: the server has met what it cannot work with. Damage of its disk has states of its own. */
const internalError = 'XX000';

/** What the primary could do and this member cannot, whenever it is asked: its rows or its schema must be others. */
export function failsAlone(blame: Blame): boolean {
  return blame === 'client' || blame === 'diverged';
}

/** It lies in what is applied or in what it meets there: another try ends in the same way. Not in space, time, locks or the network. */
export function isOfContent(error: unknown): boolean {
  // A record that cannot be read.
  if (error instanceof InvariantError) return true;
  if (!(error instanceof MemberError)) return false;
  return failsAlone(error.blame) || (error.blame === 'unfit' && error.sqlState === internalError);
}
