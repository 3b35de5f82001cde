import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export interface DeactivateMemberInput {
  readonly member: string;
  readonly reason?: string;
}

export const deactivateMember: Command<DeactivateMemberInput, CommandResult> = {
  name: 'deactivate-member',
  summary: 'Takes a member out until an operator brings it back.',
  effect: 'changes',
  input: z.strictObject({ member: memberId, reason: z.string().min(1).max(200).exactOptional() }),
  output: resultAnswer,
  run: (operations, { member, reason }) => operations.deactivateMember(member, reason),
};
