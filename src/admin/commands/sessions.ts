import { z } from 'zod';
import { sessionsAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { SessionInfo } from '../insight.ts';

export const sessions: Command<Record<string, never>, readonly SessionInfo[]> = {
  name: 'sessions',
  summary: 'Shows the clients that are logged in, and what they run.',
  effect: 'reads',
  input: z.strictObject({}),
  output: sessionsAnswer,
  run: (operations) => operations.sessions(),
};
