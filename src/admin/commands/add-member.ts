import { z } from 'zod';
import { resultAnswer } from '../answers/index.ts';
import { memberId, secretValue } from '../command.ts';
import type { Command } from '../command.ts';
import type { CommandResult, NewMember } from '../operations.ts';

/** What may stand in each key is said by the configuration, which is where it goes. */
export const addMember: Command<NewMember, CommandResult> = {
  name: 'add-member',
  summary: 'Takes a database into the cluster and into the configuration file.',
  effect: 'changes',
  input: z.strictObject({
    id: memberId,
    url: z.string().min(1).max(2000),
    weight: z.int().exactOptional(),
    username: z.string().min(1).max(63).exactOptional(),
    password: secretValue.exactOptional(),
  }),
  output: resultAnswer,
  run: (operations, member, by) => operations.addMember(member, by),
};
