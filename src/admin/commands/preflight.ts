import { z } from 'zod';
import { preflightAnswer } from '../answers/index.ts';
import { memberId, secretValue } from '../command.ts';
import type { Command } from '../command.ts';
import type { Candidate, PreflightView } from '../settings.ts';

export const preflight: Command<Candidate, PreflightView> = {
  name: 'preflight',
  summary: 'Tells what a database lacks to be a member, and what cures it. Changes nothing.',
  effect: 'reads',
  role: 'operator',
  recorded: true,
  input: z.strictObject({
    id: memberId.exactOptional(),
    url: z.string().min(1).max(2000).exactOptional(),
    username: z.string().min(1).max(63).exactOptional(),
    password: secretValue.exactOptional(),
  }),
  output: preflightAnswer,
  run: (operations, candidate, by) => operations.preflight(candidate, by),
};
