import { z } from 'zod';
import { jobsAnswer } from '../answers/index.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';

export const jobs: Command<{ readonly job?: number }, readonly JobStatus[]> = {
  name: 'jobs',
  summary: 'Shows the long work that operators have begun, or one piece of it.',
  effect: 'reads',
  input: z.strictObject({ job: z.int().min(1).exactOptional() }),
  output: jobsAnswer,
  run: async (operations, { job }) =>
    (await operations.jobs()).filter(({ id }) => job === undefined || id === job),
};
