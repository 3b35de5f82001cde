import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const switchPrimary: Command<{ readonly member: string }, CommandResult> = {
  name: 'switch-primary',
  summary: 'Makes another active member the primary.',
  effect: 'changes',
  input: z.strictObject({ member: memberId }),
  output: resultAnswer,
  run: (operations, { member }) => operations.switchPrimary(member),
};
