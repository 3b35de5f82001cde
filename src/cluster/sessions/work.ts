/** What a front hands to a session, and what it is told in return. */

import type { LockstepError } from '../../base/index.ts';
import type { Answer, MemberError } from '../../dialects/contract.ts';

export type Effect = 'read' | 'primary-read' | 'write';

/** A request with all that the engine needs to know of it. */
export interface Work {
  readonly request: unknown;
  readonly effect: Effect;
  /** Requests of our own around it, in the same transaction; their answers nobody sees unless they fail. */
  readonly before?: readonly unknown[];
  readonly after?: readonly unknown[] | undefined;
  /** The client sends data while it runs, so it cannot be run twice. */
  readonly takesInput?: boolean;
  /** It cannot be told how much it changes. */
  readonly unknownSize?: boolean;
  /** It changes the schema, so that the transaction is tried on the replicas before it is committed. */
  readonly changesSchema?: boolean;
  /** Code that it runs has changed the schema; called before that can be committed. */
  readonly onSchemaChanged?: () => void;
  /** It belongs to the primary, even at the beginning of a transaction that only reads. */
  readonly atPrimary?: boolean;
  /** It speaks of things by numbers that the primary has given; those of them that can be seen. */
  readonly numbers?: Iterable<number>;
  /** A transaction that only reads begins at the primary where this is the first of it. */
  readonly prefersPrimary?: boolean;
  /** It may end other sessions, or this one. */
  readonly endsSessions?: boolean;
  /** Runs as it is, in no transaction of ours: VACUUM. */
  readonly bare?: boolean;
  readonly bytes: number;
  /** A member could not give the answer although it was taken for a read: remember that. */
  readonly onUnsuitable?: (as: Effect) => void;
}

/** Where it was asked for, and how it ended there. */
export interface Placed {
  readonly memberId: string;
  readonly answer: Answer;
}

export interface BeginOptions {
  readonly begin: unknown;
  readonly readOnly: boolean;
  /** COMMIT itself may be refused (SERIALIZABLE). */
  readonly mayBeRefused: boolean;
}

export interface SessionLimits {
  readonly heldAnswerBytes: number;
  readonly replayBytes: number;
  readonly replayStatements: number;
  readonly replayMs: number;
  /** While no member answers, a client waits no longer than this. */
  readonly outageMs: number;
  readonly largeBytes: number;
  readonly largeRows: number;
}

export interface SessionHooks {
  /** How a transaction for one statement begins. */
  readonly autocommit: () => BeginOptions;
  /** A message from the primary outside of any answer. A promise: nothing more should come before it resolves. */
  unasked(message: Buffer): Promise<void> | undefined;
  /** The connection to the primary broke while nothing ran on it. */
  primaryLost(): void;
  /** The session cannot go on. */
  ended(error: LockstepError | MemberError): void;
}
