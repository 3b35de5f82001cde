/** What a session tells its client when the work could not be finished elsewhere. One place for all of it. */

import { LockstepError, messageOf } from '../../base/index.ts';
import type { MemberError } from '../../dialects/contract.ts';

export function cannotReplay(why: string): LockstepError {
  return new LockstepError({
    code: 'session.cannot-replay',
    message: `the member that ran this transaction was lost and ${why}`,
    hint: 'Nothing of the transaction took effect. Run it again.',
    outcome: 'none',
    retryable: true,
    sqlState: '40001',
  });
}

export function cannotMove(why: string): LockstepError {
  return new LockstepError({
    code: 'session.cannot-move',
    message: `this transaction has met numbers of types, which are the primary's to give, and was not begun there: ${why}`,
    hint: 'Nothing of the transaction took effect. Run it again: from now on those of this session begin there.',
    outcome: 'none',
    retryable: true,
    sqlState: '40001',
  });
}

export function answerCutShort(error: MemberError): LockstepError {
  return new LockstepError({
    code: 'session.answer-cut-short',
    message: `the member was lost in the middle of its answer: ${error.message}`,
    hint: 'Nothing took effect. Run the statement again.',
    outcome: 'none',
    retryable: true,
    sqlState: '40001',
  });
}

export function answerUnsure(waitedMs: number): LockstepError {
  return new LockstepError({
    code: 'session.answer-unsure',
    message: `a commit under way, which this answer may show, has not become certain within ${waitedMs} ms`,
    hint: 'Nothing took effect. Run it again.',
    outcome: 'none',
    retryable: true,
    sqlState: '40001',
  });
}

export function sessionStateLost(what: string): LockstepError {
  return new LockstepError({
    code: 'session.state-lost',
    message: `the primary was moved, and this session held ${what} there, which cannot be moved`,
    hint: 'What was answered took effect; a transaction that was still open was rolled back. Connect again.',
    outcome: 'none',
    retryable: true,
    sqlState: '57P01',
  });
}

export function numbersLost(): LockstepError {
  return new LockstepError({
    code: 'session.numbers-lost',
    message: 'the primary was moved, and numbers of types that this session knows mean others there',
    hint: 'An open transaction was rolled back. Connect again; numbers that a pool keeps between connections are to be asked for again.',
    outcome: 'none',
    retryable: true,
    sqlState: '57P01',
  });
}

const endings: Readonly<Record<string, string>> = {
  '57P01': 'terminating connection due to administrator command',
  '57P05': 'terminating connection due to idle-session timeout',
  '25P03': 'terminating connection due to idle-in-transaction timeout',
  '25P04': 'terminating connection due to transaction timeout',
};

/** The session is over as it would be on one server, in that server's words. */
export function sessionEnded(sqlState: string | undefined): LockstepError | undefined {
  const message = sqlState === undefined ? undefined : endings[sqlState];
  if (sqlState === undefined || message === undefined) return undefined;
  return new LockstepError({
    code: 'session.ended',
    message,
    hint: 'What was answered took effect; a transaction that was still open was rolled back. Connect again.',
    outcome: 'none',
    sqlState,
  });
}

export function statementCancelled(): LockstepError {
  return new LockstepError({
    code: 'session.cancelled',
    message: 'canceling statement due to user request',
    outcome: 'none',
    sqlState: '57014',
  });
}

/** In its own words. Which servers there are, and where, is no business of a client's. */
function saidByServer(error: unknown): string {
  const said = messageOf(error).replace(/^member \S+: /, '');
  return (error as { sqlState?: string }).sqlState === undefined || said.startsWith('member ')
    ? ''
    : `: ${said}`;
}

export function noMember(error: unknown): LockstepError {
  return new LockstepError({
    code: 'session.no-member',
    message: `no member can take this session now${saidByServer(error)}`,
    hint: 'Nothing took effect.',
    outcome: 'none',
    retryable: true,
    sqlState: (error as { sqlState?: string }).sqlState ?? '08006',
  });
}

export function outage(waitedMs: number): LockstepError {
  return new LockstepError({
    code: 'session.outage',
    message: `no member has answered for ${waitedMs} ms`,
    hint: 'Nothing took effect. The node waits for the members that were active last and goes on when they are back.',
    outcome: 'none',
    retryable: true,
    sqlState: '08006',
  });
}

/** What the primary could do was tried on replicas before it was committed. */
export function replicaRefuses(errors: readonly MemberError[]): LockstepError {
  const [first] = errors;
  const others = errors.slice(1).map(({ memberId }) => memberId);
  const also = others.length === 0 ? '' : ` (nor can ${others.join(', ')})`;
  const why = first?.message.replace(`member ${first.memberId}: `, '');
  return new LockstepError({
    code: 'session.replica-refuses',
    message: `member ${first?.memberId} cannot do what the primary could${also}: ${why}`,
    hint: 'The transaction was rolled back, and nothing took effect on any member. Give that server what is missing there, or change the statement, and run it again.',
    outcome: 'none',
    retryable: false,
    sqlState: first?.sqlState ?? 'XX000',
  });
}

export function outcomeUnknown(waitedMs: number): LockstepError {
  return new LockstepError({
    code: 'session.outcome-unknown',
    message: `it has not become clear within ${waitedMs} ms whether the transaction was committed`,
    hint: 'It is settled when the members answer again, and on all of them alike. Look whether it is there before you repeat it.',
    outcome: 'unknown',
    sqlState: '08007',
  });
}

export function transactionAborted(): LockstepError {
  return new LockstepError({
    code: 'session.transaction-aborted',
    message: 'current transaction is aborted, commands ignored until end of transaction block',
    sqlState: '25P02',
  });
}
