import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const restoreMembers: Command<Record<string, never>, CommandResult> = {
  name: 'restore-members',
  summary: 'Puts members that are part of the cluster back into the configuration file that has lost them.',
  effect: 'changes',
  input: z.strictObject({}),
  output: resultAnswer,
  run: (operations) => operations.restoreMembers(),
};
