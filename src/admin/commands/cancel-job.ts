import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const cancelJob: Command<{ readonly job: number }, CommandResult> = {
  name: 'cancel-job',
  summary: 'Asks a piece of long work to end.',
  effect: 'changes',
  input: z.strictObject({ job: z.int().min(1) }),
  output: resultAnswer,
  run: (operations, { job }) => operations.cancelJob(job),
};
