import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const cancelSync: Command<{ readonly member: string }, CommandResult> = {
  name: 'cancel-sync',
  summary: 'Stops what brings a member level, and holds the member inactive.',
  effect: 'changes',
  input: z.strictObject({ member: memberId }),
  output: resultAnswer,
  run: (operations, { member }) => operations.cancelSync(member),
};
