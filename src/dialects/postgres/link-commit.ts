/** How a session link commits: the messages, and the write set that comes back before the commit happens. */

import { randomFillSync } from 'node:crypto';
import type { Deferred } from '../../base/index.ts';
import { frontend, readFunctionResult } from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';
import type { CommitOptions, SoFar, WriteSet } from '../contract.ts';
import type { ControlFunctions } from './control-functions.ts';
import { stackOf } from './control-nested.ts';
import { sqlStates } from './sql-states.ts';
import type { WriteSetCollector } from './write-set-collector.ts';
import { MemoryWriteSet } from './write-set.ts';

/** What a ReadyForQuery ends. `finish` and `parts` bring the write set; `count` says in how many parts it comes. */
export type CommitStage = 'constraints' | 'finish' | 'count' | 'parts' | 'commit';

export interface CommitPhase {
  readonly kind: 'commit';
  readonly options: CommitOptions;
  /** Where the write set goes when it was asked for in parts. */
  readonly collector: WriteSetCollector | undefined;
  readonly done: Deferred<'committed' | 'refused'>;
  /** Those that are still to end, the one under way first. */
  readonly stages: CommitStage[];
  /** By which a change behind the end of the record is told from what a client says. */
  readonly token: string;
  /** What was to be answered in this stage has been. */
  answered: boolean;
  /** The client has its error. */
  told: boolean;
  /** Of a large write set. */
  partCount: number;
}

export interface CommitMessages {
  readonly stages: CommitStage[];
  readonly messages: Buffer[];
}

const asterisk = '*'.charCodeAt(0);
const questionMark = '?'.charCodeAt(0);

const tokenBytes = 12;
/** Asking for random bytes costs as much for many as for a few. */
const random = { bytes: Buffer.alloc(256 * tokenBytes), used: Infinity };

export function newToken(): string {
  if (random.used >= random.bytes.length) {
    randomFillSync(random.bytes);
    random.used = 0;
  }
  const from = random.used;
  random.used += tokenBytes;
  return random.bytes.toString('base64url', from, random.used);
}

function constraintsNow(deferred: boolean): CommitMessages {
  return deferred
    ? { stages: ['constraints'], messages: [frontend.query('SET CONSTRAINTS ALL IMMEDIATE')] }
    : { stages: [], messages: [] };
}

/**
 * The write set and the commit in one packet. The call of `finish` is a request of its own to the server, whose answer leaves
 * before COMMIT is looked at. `deferred`: something may be put off to COMMIT; it then has to happen before the write set is
 * taken. After an error the transaction has failed, and COMMIT ends it.
 */
export function finishAndCommit(
  { csn, term, slot }: CommitOptions,
  functions: ControlFunctions,
  { deferred, token }: { readonly deferred: boolean; readonly token: string },
): CommitMessages {
  const before = constraintsNow(deferred);
  const finish = functions.call(`finish_${slot}`, [String(csn), String(term), token]);
  return {
    stages: [...before.stages, 'finish', 'commit'],
    messages: [...before.messages, finish, frontend.query('COMMIT')],
  };
}

/** A large write set comes in parts, and COMMIT only after it. */
export function finishLarge(
  { csn, term, slot }: CommitOptions,
  functions: ControlFunctions,
  { deferred, token }: { readonly deferred: boolean; readonly token: string },
): CommitMessages {
  const before = constraintsNow(deferred);
  const finish = functions.call('finish_large', [String(slot), String(csn), String(term), token]);
  return { stages: [...before.stages, 'count'], messages: [...before.messages, finish] };
}

/** So many parts are asked for in one packet. */
const partsAtOnce = 16;

export function largeParts(
  { csn, slot }: CommitOptions,
  functions: ControlFunctions,
  { from, to }: { readonly from: number; readonly to: number },
): CommitMessages & { readonly upTo: number } {
  const upTo = Math.min(to, from + partsAtOnce - 1);
  const messages: Buffer[] = [];
  for (let part = from; part <= upTo; part++)
    messages.push(functions.call('large_part', [String(slot), String(csn), String(part)]));
  return { stages: messages.map(() => 'parts'), messages, upTo };
}

/** What is deferred happens first. */
export function recordSoFar(functions: ControlFunctions, bytesMax: number): CommitMessages {
  const before = constraintsNow(true);
  const call = functions.call('record_so_far', [String(bytesMax)]);
  return { stages: [...before.stages, 'finish'], messages: [...before.messages, call] };
}

/** The same, when the statements that code has run are judged and carried. */
export function recordJudged(
  functions: ControlFunctions,
  bytesMax: number,
  admitted: readonly AdmittedStatement[],
): CommitMessages {
  const lists = [admitted.map(({ seq }) => seq), admitted.map(({ length }) => length)];
  const admit = functions.call(
    'admit_nested',
    lists.map((list) => `{${list.join(',')}}`),
  );
  const call = functions.call('record_so_far', [String(bytesMax)]);
  return { stages: ['finish', 'finish'], messages: [admit, call] };
}

export interface AdmittedStatement {
  readonly seq: string;
  /** Of its text, in bytes. */
  readonly length: number;
}

interface UnjudgedStatement {
  readonly seq: string;
  readonly standardStrings: boolean;
  readonly stack: Buffer;
}

/** Schema statements that code has run, in this transaction. */
export interface Unjudged {
  readonly unjudged: readonly UnjudgedStatement[];
}

/** See `lockstep.unjudged`. */
function readUnjudged(bytes: Buffer): readonly UnjudgedStatement[] {
  const found: UnjudgedStatement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const colon = bytes.indexOf(':', at);
    const [seq = '', standard, length] = bytes.toString('latin1', at, colon).split(',');
    at = colon + 1 + Number(length);
    found.push({
      seq,
      standardStrings: standard === '1',
      stack: bytes.subarray(colon + 1 + stackOf.before.length, at),
    });
  }
  return found;
}

async function wholeOf(answer: WriteSet | null): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of answer?.parts() ?? []) parts.push(part);
  answer?.release();
  return Buffer.concat(parts);
}

export async function readSoFar(answer: WriteSet | null): Promise<SoFar | Unjudged> {
  if (answer === null) return { bytes: 0, writeSet: undefined };
  const whole = await wholeOf(answer);
  const rest = whole.subarray(1);
  if (whole[0] === questionMark) return { unjudged: readUnjudged(rest) };
  if (whole[0] === asterisk) return { bytes: Number(rest.toString('latin1')), writeSet: undefined };
  return { bytes: rest.length, writeSet: new MemoryWriteSet([rest]) };
}

/** The answer of a call: a write set, a part of one, or how many there are. */
export function takeResult(phase: CommitPhase, frame: Buffer): void {
  const { collector, options, stages } = phase;
  const result = readFunctionResult(frame);
  phase.answered = true;
  if (stages[0] === 'count') phase.partCount = result?.readInt32BE() ?? 0;
  else if (collector !== undefined) collector.add(result ?? Buffer.alloc(0));
  // Copied: the slice would keep the whole chunk alive that was read from the socket.
  else options.onWriteSet(result === null ? null : new MemoryWriteSet([Buffer.from(result)]));
}

/** COMMIT has made a change of its own, which is a further part of the record. */
export function isLatePart({ token, stages }: CommitPhase, { code, message }: ErrorFields): boolean {
  return stages[0] === 'commit' && code === sqlStates.latePart && message === token;
}
