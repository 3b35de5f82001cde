import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';

export const cancelSession: Command<{ readonly session: number }, CommandResult> = {
  name: 'cancel-session',
  summary: 'Stops what a client runs right now. The client is told, and stays connected.',
  effect: 'changes',
  input: z.strictObject({ session: z.int().min(1) }),
  output: resultAnswer,
  run: (operations, { session }) => operations.cancelSession(session),
};
