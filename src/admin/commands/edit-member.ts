import { z } from 'zod';
import { configChangedAnswer } from '../answers/index.ts';
import { memberId, secretValue } from '../command.ts';
import type { Command } from '../command.ts';
import type { ConfigChanged, MemberChange } from '../settings.ts';

export interface EditMemberInput extends MemberChange {
  readonly member: string;
}

export const editMember: Command<EditMemberInput, ConfigChanged> = {
  name: 'edit-member',
  summary: 'Changes the entry of a member in the configuration file. Its weight is taken over at once.',
  effect: 'changes',
  input: z.strictObject({
    member: memberId,
    url: z.string().min(1).max(2000).exactOptional(),
    weight: z.int().nullable().exactOptional(),
    username: z.string().min(1).max(63).nullable().exactOptional(),
    password: secretValue.nullable().exactOptional(),
  }),
  output: configChangedAnswer,
  run: (operations, { member, ...changes }, by) => operations.editMember(member, changes, by),
};
