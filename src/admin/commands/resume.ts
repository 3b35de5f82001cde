import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const resume: Command<Record<string, never>, CommandResult> = {
  name: 'resume',
  summary: 'Ends a `pause`: clients that wait go on.',
  effect: 'changes',
  input: z.strictObject({}),
  output: resultAnswer,
  run: (operations) => operations.resume(),
};
