import { z } from 'zod';
import type { Command } from '../command.ts';
import type { SessionInfo } from '../insight.ts';

export const sessions: Command<Record<string, never>, readonly SessionInfo[]> = {
  name: 'sessions',
  summary: 'Shows the clients that are logged in, and what they run.',
  effect: 'reads',
  input: z.strictObject({}),
  run: (operations) => operations.sessions(),
};
