import { z } from 'zod';
import { configChangedAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { ConfigChanged, OptionChange } from '../settings.ts';

const CHANGES_MAX = 100;

export const changeConfig: Command<{ readonly changes: readonly OptionChange[] }, ConfigChanged> = {
  name: 'change-config',
  summary:
    'Changes options in the configuration file, whose comments stay, and takes over what needs no new start.',
  effect: 'changes',
  input: z.strictObject({
    changes: z
      .array(z.strictObject({ path: z.string().min(1).max(200), value: z.unknown() }))
      .min(1)
      .max(CHANGES_MAX),
  }),
  output: configChangedAnswer,
  run: (operations, { changes }, by) => operations.changeConfig(changes, by),
};
