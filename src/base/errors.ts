/**
 * The one error type that crosses rooms. It always answers three questions: did the work happen, is another try
 * sensible, and what can the reader do about it.
 */

/** Whether the work that the error speaks about took effect. */
export type Outcome = 'none' | 'done' | 'unknown';

export interface LockstepErrorInit {
  /** Stable, from the catalogue of the room that raises it, e.g. `cluster.no-active-member`. */
  readonly code: string;
  readonly message: string;
  readonly outcome?: Outcome;
  readonly retryable?: boolean;
  /** What the operator or the client does next. */
  readonly hint?: string;
  /** SQLSTATE where the error belongs to a client's statement. */
  readonly sqlState?: string;
  /** Where in that statement, in characters from 1. */
  readonly position?: number;
  /** Which part of what the operator gave: `members[1].url`. */
  readonly field?: string;
  readonly cause?: unknown;
}

export class LockstepError extends Error {
  readonly code: string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly sqlState: string | undefined;
  readonly position: number | undefined;
  readonly field: string | undefined;

  constructor(init: LockstepErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'LockstepError';
    this.code = init.code;
    this.outcome = init.outcome ?? 'none';
    this.retryable = init.retryable ?? false;
    this.hint = init.hint;
    this.sqlState = init.sqlState;
    this.position = init.position;
    this.field = init.field;
  }
}

/** The engine itself is wrong. Nothing may go on after it: the process ends with its state intact. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

export function assertNever(value: never): never {
  throw new InvariantError(`unexpected value: ${JSON.stringify(value)}`);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
