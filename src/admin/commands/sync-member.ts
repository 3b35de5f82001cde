import { z } from 'zod';
import { jobAnswer } from '../answers/index.ts';
import { byteRate, memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';
import { SYNC_STRATEGIES } from '../operations.ts';
import type { SyncRequest } from '../operations.ts';

export interface SyncMemberInput extends SyncRequest {
  readonly member: string;
}

export const syncMember: Command<SyncMemberInput, JobStatus> = {
  name: 'sync-member',
  summary: 'Begins to bring an inactive member level, and activates it then.',
  effect: 'changes',
  job: true,
  input: z.strictObject({
    member: memberId,
    strategy: z.enum(SYNC_STRATEGIES).exactOptional(),
    dryRun: z.boolean().exactOptional(),
    maxRate: byteRate.exactOptional(),
  }),
  output: jobAnswer,
  run: (operations, { member, ...request }) => operations.syncMember(member, request),
};
