import { z } from 'zod';
import { jobAnswer } from '../answers/index.ts';
import { memberId } from '../command.ts';
import type { Command } from '../command.ts';
import type { JobStatus } from '../jobs.ts';

/** `sync-member` without its choices. */
export const activateMember: Command<{ readonly member: string }, JobStatus> = {
  name: 'activate-member',
  summary: 'Begins to bring a member back: level, in the cheapest way that is enough, and active then.',
  effect: 'changes',
  job: true,
  input: z.strictObject({ member: memberId }),
  output: jobAnswer,
  run: (operations, { member }) => operations.syncMember(member),
};
