/** What the session must know of statements that a member answers. */

import type { Work } from '../../cluster/index.ts';
import type { PostgresRequest } from '../../dialects/postgres/index.ts';
import type { Statement } from '../../sql/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import { needsTransaction, ownSetting } from './front-errors.ts';
import { simpleRequest } from './requests.ts';
import { afterSettingSequences, afterUnseenCode } from './schema-work.ts';

/** Statements that looked like reads and were not, by their text. */
export interface KnownBetter {
  get(text: Buffer): Work['effect'] | undefined;
  note(text: Buffer, effect: Work['effect']): void;
}

export interface WorkContext {
  readonly inTransaction: boolean;
  /** Of the client: our connections are read-only by default, whatever it has set. */
  readonly readOnlyByDefault: boolean;
  readonly knownBetter: KnownBetter;
  readonly onSchemaChanged: () => void;
}

/** Throws where one of them is not possible now. */
export function workOf(
  statements: readonly Statement[],
  text: Buffer,
  request: Work['request'],
  { inTransaction, readOnlyByDefault, knownBetter, onSchemaChanged }: WorkContext,
): Work {
  let effect: Work['effect'] = 'read';
  let runsCode = false;
  let setsSequences = false;
  let takesInput = false;
  let endsSessions = false;
  let atPrimary = false;
  for (const statement of statements) {
    if (!inTransaction && statements.length === 1 && isOverAtOnce(statement)) return asItIs(request, text);
    effect = heavier(effect, statement.kind);
    if (statement.runsCode) runsCode = true;
    if (statement.setsConfig) refuseOwnSettings(text, request);
    if (statement.restartIdentity || statement.setsSequences) setsSequences = true;
    if (statement.copy === 'in') takesInput = true;
    if (statement.endsSessions) endsSessions = true;
    if (belongsToPrimary(statement)) atPrimary = true;
  }
  if (effect === 'primary-read' && asksForReadOnly(text, request))
    return { ...tellReadOnly(request, text, readOnlyByDefault), onSchemaChanged };
  const better = effect === 'write' ? undefined : knownBetter.get(text);
  // Something out of sight writes: a function in a view, say.
  if (better === 'write') runsCode = true;
  return {
    request,
    effect: better ?? effect,
    takesInput,
    endsSessions,
    atPrimary,
    unknownSize: runsCode,
    bytes: text.length,
    after: setsSequences ? afterSettingSequences : runsCode ? afterUnseenCode : undefined,
    onSchemaChanged,
    onUnsuitable: (as) => knownBetter.note(text, as),
  };
}

/** In a READ ONLY transaction too, which may have begun elsewhere. */
function belongsToPrimary(statement: Statement): boolean {
  const { atPrimary, exportsSnapshot, runsCode, sessionLock, transactionLock } = statement;
  return (atPrimary ?? exportsSnapshot ?? runsCode ?? sessionLock ?? transactionLock) === true;
}

/** On a server too, a PREPARE TRANSACTION that fails leaves no transaction behind; drivers rely on it. */
export function endsTransaction(statement: Statement): boolean {
  return statement.kind === 'refused' && statement.tag === 'PREPARE TRANSACTION';
}

/** Asked about it, our read-only connections answer inside a transaction as the client would begin it. */
function tellReadOnly(request: Work['request'], text: Buffer, readOnly: boolean): Work {
  const set = `SET LOCAL default_transaction_read_only = ${readOnly ? 'on' : 'off'}`;
  return {
    request,
    effect: 'write',
    before: [simpleRequest(frontend.query(set))],
    bytes: text.length,
  };
}

/**
 * In a transaction of ours it would succeed, and be over. Outside of any the server refuses a cursor in its own words; a lock is refused
 * here, because on our read-only connections the server has other words for it.
 */
function isOverAtOnce({ kind, hold, tag }: Statement): boolean {
  if (tag === 'LOCK') throw needsTransaction('LOCK TABLE');
  return kind === 'declare-cursor' && hold !== true;
}

function asItIs(request: Work['request'], text: Buffer): Work {
  return { request, effect: 'primary-read', bytes: text.length };
}

/** By its name in the text, or where current_setting() is given a name among the values. */
function asksForReadOnly(text: Buffer, request: Work['request']): boolean {
  const names = (bytes: Buffer): boolean =>
    bytes.length < 1024 && /transaction_read_only/i.test(bytes.toString('latin1'));
  if (names(text)) return true;
  if (text.length >= 1024 || !/current_setting/i.test(text.toString('latin1'))) return false;
  return (request as PostgresRequest).messages.some(({ frame }) => names(frame));
}

function heavier(effect: Work['effect'], kind: Statement['kind']): Work['effect'] {
  if (kind === 'read' || kind === 'empty' || effect === 'write') return effect;
  return kind === 'primary-read' ? 'primary-read' : 'write';
}

/** set_config() with a name of ours, in the text or among the parameters. */
function refuseOwnSettings(text: Buffer, request: Work['request']): void {
  const { messages } = request as PostgresRequest;
  for (const bytes of [text, ...messages.map((message) => message.frame)]) {
    const found = /lockstep\.\w+|session_replication_role/i.exec(bytes.toString('latin1'));
    if (found !== null) throw ownSetting(found[0]);
  }
}
