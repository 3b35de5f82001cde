import { z } from 'zod';
import { configAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { ConfigView } from '../settings.ts';

export const config: Command<Record<string, never>, ConfigView> = {
  name: 'config',
  summary: 'Shows the configuration file, without its secrets, and every option that there is.',
  effect: 'reads',
  input: z.strictObject({}),
  output: configAnswer,
  run: (operations) => operations.config(),
};
