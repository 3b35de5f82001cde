import { z } from 'zod';
import { jobAnswer } from '../answers/index.ts';
import { byteRate } from '../command.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';
import type { VerifyRequest } from '../operations.ts';

const TABLES_MAX = 1000;

export const verify: Command<VerifyRequest, JobStatus> = {
  name: 'verify',
  summary: 'Begins to compare all active members. One that differs is deactivated.',
  effect: 'changes',
  job: true,
  input: z.strictObject({
    tables: z.array(z.string().min(1).max(200)).min(1).max(TABLES_MAX).exactOptional(),
    rate: byteRate.exactOptional(),
  }),
  output: jobAnswer,
  run: (operations, request) => operations.verify(request),
};
