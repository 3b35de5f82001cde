import { z } from 'zod';
import { lastVerificationAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { VerificationReport } from '../operations.ts';

export const verification: Command<Record<string, never>, VerificationReport | null> = {
  name: 'verification',
  summary: 'Shows what the last verification has found, with the rows that differed.',
  effect: 'reads',
  input: z.strictObject({}),
  output: lastVerificationAnswer,
  run: (operations) => operations.verification(),
};
