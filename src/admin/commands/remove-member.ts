import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const removeMember: Command<{ readonly member: string }, CommandResult> = {
  name: 'remove-member',
  summary: 'Takes a member out of the cluster and out of the configuration file.',
  effect: 'changes',
  input: z.strictObject({ member: memberId }),
  output: resultAnswer,
  run: (operations, { member }) => operations.removeMember(member),
};
