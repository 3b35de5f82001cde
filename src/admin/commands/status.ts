import { z } from 'zod';
import { statusAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { ClusterStatus } from '../operations.ts';

export const status: Command<Record<string, never>, ClusterStatus> = {
  name: 'status',
  summary: 'Shows the cluster and its members.',
  effect: 'reads',
  input: z.strictObject({}),
  output: statusAnswer,
  run: (operations) => operations.status(),
};
