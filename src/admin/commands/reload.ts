import { z } from 'zod';
import { reloadAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { ReloadResult } from '../operations.ts';

export const reload: Command<Record<string, never>, ReloadResult> = {
  name: 'reload',
  summary: 'Takes over what has changed in the configuration file.',
  effect: 'changes',
  input: z.strictObject({}),
  output: reloadAnswer,
  run: (operations) => operations.reload(),
};
