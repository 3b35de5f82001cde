import { z } from 'zod';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';

export const repair: Command<{ readonly member?: string }, JobStatus> = {
  name: 'repair',
  summary:
    'Begins to make members equal again that a verification found different, or the one that is named.',
  effect: 'changes',
  job: true,
  input: z.strictObject({ member: memberId.exactOptional() }),
  run: (operations, { member }) => operations.repair(member),
};
