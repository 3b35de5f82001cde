import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const pause: Command<Record<string, never>, CommandResult> = {
  name: 'pause',
  summary: 'Lets open transactions end and new ones wait, until `resume`. Clients stay connected.',
  effect: 'changes',
  input: z.strictObject({}),
  output: resultAnswer,
  run: (operations) => operations.pause(),
};
