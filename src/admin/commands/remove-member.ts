import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

interface RemoveInput {
  readonly member: string;
  /** Its database is made an ordinary one again. */
  readonly free?: boolean;
}

export const removeMember: Command<RemoveInput, CommandResult> = {
  name: 'remove-member',
  summary: 'Takes a member out of the cluster and out of the configuration file.',
  effect: 'changes',
  input: z.strictObject({
    member: memberId,
    free: z.boolean().exactOptional().describe('Its database is made an ordinary one again.'),
  }),
  output: resultAnswer,
  run: (operations, { member, free }) => operations.removeMember(member, { free: free === true }),
};
