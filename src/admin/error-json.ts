/** Errors as they cross the admin door, both directions. */
import { LockstepError, messageOf } from '../base/index.ts';
import type { Outcome } from '../base/index.ts';

export interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly field?: string;
}

export function errorToJson(error: unknown): ErrorJson {
  if (!(error instanceof LockstepError)) {
    return { code: 'admin.internal', message: messageOf(error), outcome: 'unknown', retryable: false };
  }
  const { code, message, outcome, retryable, hint, field } = error;
  return {
    code,
    message,
    outcome,
    retryable,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
  };
}

/** Undefined when it is not one of our errors. */
export function errorFromJson(value: unknown): LockstepError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, message, outcome, retryable, hint, field } = value as Readonly<Record<string, unknown>>;
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  return new LockstepError({
    code,
    message,
    outcome: outcome === 'none' || outcome === 'done' ? outcome : 'unknown',
    retryable: retryable === true,
    ...(typeof hint === 'string' && { hint }),
    ...(typeof field === 'string' && { field }),
  });
}
