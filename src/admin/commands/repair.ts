import { z } from 'zod';
import { jobAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';
import type { RepairRequest } from '../operations.ts';

export const repair: Command<RepairRequest, JobStatus> = {
  name: 'repair',
  summary:
    'Begins to make members equal again that were found to differ, or the one that is named, and has every table watched.',
  effect: 'changes',
  job: true,
  input: z.strictObject({ member: memberId.exactOptional(), dryRun: z.boolean().exactOptional() }),
  output: jobAnswer,
  run: (operations, request) => operations.repair(request),
};
