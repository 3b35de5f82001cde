import { z } from 'zod';
import { LockstepError } from '../base/index.ts';
import type { Operations } from './operations.ts';

/** What a caller may: everything, or look only. */
export type Role = 'operator' | 'read-only';

/** One thing an operator can have done, the same through every door. */
export interface Command<Input, Output> {
  /** As it is written in a path: `switch-primary`. */
  readonly name: string;
  readonly summary: string;
  /** A command that reads may be asked for again when the answer was lost. */
  readonly effect: 'reads' | 'changes';
  /** Who may; default: what changes nothing is for everybody. */
  readonly role?: Role;
  /** It changes nothing and is on record all the same: it connects to wherever it is told to. */
  readonly recorded?: true;
  /** It begins long work, and answers as soon as that has begun. */
  readonly job?: true;
  readonly input: z.ZodType<Input>;
  readonly output: z.ZodType<Output>;
  run(operations: Operations, input: Input, by: Authority): Promise<Output>;
}

/** `owner`: the user that runs the node, at its own socket. `operator`: whoever has a token, or is named to command. */
export type Authority = 'owner' | 'operator';

/** A command as a door sees it: an unknown input, and an answer that can be made JSON. */
export interface DoorCommand {
  readonly name: string;
  readonly summary: string;
  readonly effect: Command<never, unknown>['effect'];
  readonly role: Role;
  readonly recorded: boolean;
  readonly job: boolean;
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  execute(operations: Operations, input: unknown, by: Authority): Promise<unknown>;
}

export const memberId = z
  .string()
  .regex(/^[a-z0-9_-]{1,63}$/, 'a member id is 1 to 63 of a–z, 0–9, "_" and "-"');

/** Where the node finds a password. */
const secretPlace = z.union([
  z.strictObject({ env: z.string().min(1).max(200) }),
  z.strictObject({ file: z.string().min(1).max(4000) }),
]);

/** Or the password itself, which then stands in the configuration file. */
export const secretValue = z.union([z.string().min(1).max(1000), secretPlace]);

/** Bytes per second. */
export const byteRate = z.int().min(1024);

/** What is wrong with one part of the input, in words for whoever entered it. */
function sentenceOf(issue: z.core.$ZodIssue): string {
  const part = z.core.toDotPath(issue.path);
  const name = part === '' ? 'the input' : part;
  if (issue.code === 'too_small' && issue.origin === 'string') return `${name} is missing`;
  if (issue.code === 'unrecognized_keys') return `${name} has no ${issue.keys.join(', ')}`;
  return `${name}: ${issue.message}`;
}

export function forDoor<Input, Output>(command: Command<Input, Output>): DoorCommand {
  const {
    name,
    summary,
    effect,
    role = effect === 'reads' ? 'read-only' : 'operator',
    recorded = effect === 'changes',
    job = false,
  } = command;
  return {
    name,
    summary,
    effect,
    role,
    recorded,
    job,
    input: command.input,
    output: command.output,
    execute: (operations, input, by) => command.run(operations, readInput(command.input, input), by),
  };
}

/** Throws what is wrong with it. */
export function readInput<Input>(schema: z.ZodType<Input>, input: unknown): Input {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path;
  throw new LockstepError({
    code: 'admin.bad-input',
    message: parsed.error.issues.map(sentenceOf).join('; '),
    ...(path !== undefined && path.length > 0 && { field: z.core.toDotPath(path) }),
  });
}
