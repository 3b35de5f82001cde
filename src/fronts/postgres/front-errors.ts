/** What the front itself refuses once a client is logged in. */

import { LockstepError, messageOf } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Refusal } from '../../sql/index.ts';

export function refused(refusal: Refusal): LockstepError {
  return new LockstepError({
    code: 'front.refused',
    message: refusal.message,
    ...(refusal.hint === undefined ? {} : { hint: refusal.hint }),
    ...(refusal.position === undefined ? {} : { position: refusal.position }),
    sqlState: refusal.sqlState,
  });
}

export function statementExists(name: string): LockstepError {
  return new LockstepError({
    code: 'front.statement-exists',
    message: `prepared statement "${name}" already exists`,
    sqlState: '42P05',
  });
}

export function tooManyStatements(limit: number): LockstepError {
  return new LockstepError({
    code: 'front.too-many-statements',
    message: `this session has ${limit} prepared statements already`,
    hint: 'Close those that are not used any more, or raise limits.preparedStatementsPerSession.',
    sqlState: '54000',
  });
}

export function tooManyPortals(limit: number): LockstepError {
  return new LockstepError({
    code: 'front.too-many-portals',
    message: `this transaction has ${limit} portals already`,
    hint: 'Close those that are not used any more, or raise limits.preparedStatementsPerSession.',
    sqlState: '54000',
  });
}

export function severalStatements(): LockstepError {
  return new LockstepError({
    code: 'front.several-statements',
    message: 'cannot insert multiple commands into a prepared statement',
    sqlState: '42601',
  });
}

export function ownSetting(name: string): LockstepError {
  return new LockstepError({
    code: 'front.own-setting',
    message: `the setting ${name} belongs to Lockstep`,
    hint: 'Clients leave it alone.',
    sqlState: '42501',
  });
}

export function needsTransaction(what: string): LockstepError {
  return new LockstepError({
    code: 'front.needs-transaction',
    message: `${what} can only be used in transaction blocks`,
    sqlState: '25P01',
  });
}

export function notInTransaction(what: string): LockstepError {
  return new LockstepError({
    code: 'front.not-in-transaction',
    message: `${what} cannot run inside a transaction block`,
    sqlState: '25001',
  });
}

export function functionCall(): LockstepError {
  return new LockstepError({
    code: 'front.function-call',
    message: 'function calls by the fast path are not carried to the other members',
    hint: 'Call the function in a SELECT. Large objects are not supported.',
    sqlState: '0A000',
  });
}

export function discardInTransaction(): LockstepError {
  return new LockstepError({
    code: 'front.discard-in-transaction',
    message: 'DISCARD ALL and DISCARD TEMP are not possible inside a transaction',
    hint: 'End the transaction first.',
    sqlState: '25001',
  });
}

export function databaseNamed(what: string): LockstepError {
  return new LockstepError({
    code: 'front.database-named',
    message: `${what} ON DATABASE cannot be carried: the members call their databases differently`,
    hint: 'Do it on each member, around Lockstep.',
    sqlState: '0A000',
  });
}

export function volatileView(name: string): LockstepError {
  return new LockstepError({
    code: 'front.volatile-view',
    message: `the materialized view ${name} would hold other rows on each member: its query depends on chance, the time or the order of rows`,
    hint: 'Use CREATE TABLE AS, whose rows are carried, or a query whose result is determined.',
    sqlState: '0A000',
  });
}

export function unexpectedMessage(what: string): LockstepError {
  return new LockstepError({
    code: 'front.unexpected-message',
    message: `unexpected message: ${what}`,
    sqlState: '08P01',
  });
}

/** Anything that went wrong, as the client is told it. */
export function asClientError(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  if (error instanceof MemberError) {
    return new LockstepError({
      code: 'front.member',
      message: error.message,
      outcome: 'none',
      hint: 'Nothing took effect. Run it again.',
      retryable: true,
      sqlState: error.sqlState ?? '08006',
      cause: error,
    });
  }
  return new LockstepError({
    code: 'front.internal',
    message: `internal error: ${messageOf(error)}`,
    sqlState: 'XX000',
    outcome: 'unknown',
    cause: error,
  });
}
