import { z } from 'zod';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const activateMember: Command<{ readonly member: string }, CommandResult> = {
  name: 'activate-member',
  summary: 'Brings a member back: level, and active.',
  effect: 'changes',
  input: z.strictObject({ member: memberId }),
  run: (operations, { member }) => operations.activateMember(member),
};
