import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { secretValue } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult } from '../operations.ts';
import type { Candidate } from '../settings.ts';

export const freeDatabase: Command<Candidate, CommandResult> = {
  name: 'free-database',
  summary: 'Makes a database that was removed from this cluster an ordinary one again, which takes writes.',
  effect: 'changes',
  input: z.strictObject({
    url: z.string().min(1).max(2000),
    username: z.string().min(1).max(63).exactOptional(),
    password: secretValue.exactOptional(),
  }),
  output: resultAnswer,
  run: (operations, candidate, by) => operations.freeDatabase(candidate, by),
};
