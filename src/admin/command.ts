import { z } from 'zod';
import { LockstepError } from '../base/index.ts';
import type { Operations } from './operations.ts';

/** One thing an operator can have done, the same through every door. */
export interface Command<Input, Output> {
  /** As it is written in a path: `switch-primary`. */
  readonly name: string;
  readonly summary: string;
  /** A command that reads may be asked for again when the answer was lost. */
  readonly effect: 'reads' | 'changes';
  readonly input: z.ZodType<Input>;
  run(operations: Operations, input: Input): Promise<Output>;
}

/** A command as a door sees it: an unknown input, and an answer that can be made JSON. */
export interface DoorCommand {
  readonly name: string;
  readonly summary: string;
  readonly effect: Command<never, unknown>['effect'];
  execute(operations: Operations, input: unknown): Promise<unknown>;
}

export const memberId = z
  .string()
  .regex(/^[a-z0-9_-]{1,63}$/, 'a member id is 1 to 63 of a–z, 0–9, "_" and "-"');

/** Bytes per second. */
export const byteRate = z.int().min(1024);

export function forDoor<Input, Output>(command: Command<Input, Output>): DoorCommand {
  const { name, summary, effect } = command;
  return {
    name,
    summary,
    effect,
    execute: (operations, input) => {
      const parsed = command.input.safeParse(input);
      if (parsed.success) return command.run(operations, parsed.data);
      throw new LockstepError({
        code: 'admin.bad-input',
        message: `the input of ${name} is wrong: ${z.prettifyError(parsed.error)}`,
      });
    },
  };
}
