import { z } from 'zod';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const switchPrimary: Command<{ readonly member: string }, CommandResult> = {
  name: 'switch-primary',
  summary: 'Makes another active member the primary.',
  effect: 'changes',
  input: z.strictObject({ member: memberId }),
  run: (operations, { member }) => operations.switchPrimary(member),
};
