import type { EventType } from '../events.ts';

/** What is done when something has happened. */
export interface Hook {
  readonly name: string;
  /** Kinds of events; undefined: each that is a warning or an error. */
  readonly on: readonly EventType[] | undefined;
  /** For one attempt. */
  readonly timeoutMs: number;
  readonly action: HookAction;
}

export type HookAction =
  | { readonly kind: 'run'; readonly command: readonly string[] }
  | {
      readonly kind: 'post';
      readonly url: string;
      /** The header of that name. */
      readonly authorization: string | undefined;
      readonly attempts: number;
    };

/** One attempt has failed. */
export class HookFailure extends Error {
  /** Another attempt may succeed. */
  readonly worthRetrying: boolean;

  constructor(reason: string, worthRetrying = false) {
    super(reason);
    this.worthRetrying = worthRetrying;
  }
}
