/** What Lockstep does not carry, said before anything has changed. */
import type { Draft, Refusal } from './statement.ts';

const NOT_SUPPORTED = '0A000';
const INSUFFICIENT_PRIVILEGE = '42501';
const PROGRAM_LIMIT = '54000';
/** Of Lockstep's own: it runs inside of another statement. */
const HIDDEN = 'LS003';
/** What a server says whose max_prepared_transactions is 0. */
const NOT_IN_PREREQUISITE_STATE = '55000';

export const refusals = {
  database: refusal(
    'databases cannot be created, changed or dropped through Lockstep: each member is one database',
    'Do it on each member, around Lockstep.',
  ),
  tablespace: refusal(
    'tablespaces cannot be managed through Lockstep: they are places on one server',
    'Do it on each member, around Lockstep.',
  ),
  alterSystem: refusal(
    'ALTER SYSTEM cannot be replicated: it changes the configuration file of one server',
    'Change the configuration of each member.',
  ),
  load: refusal(
    'LOAD cannot be replicated: it loads a library into one server process',
    'Use session_preload_libraries on each member.',
  ),
  serverFile: refusal(
    'COPY to or from a file or program on the server cannot be replicated',
    'Use COPY FROM STDIN or COPY TO STDOUT.',
  ),
  twoPhase: refusal(
    'prepared transactions (PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED) are not supported',
    'Use COMMIT.',
    NOT_IN_PREREQUISITE_STATE,
  ),
  largeObject: refusal(
    'large objects are not supported: their changes cannot be captured',
    'Use a bytea column.',
  ),
  uncaptured: (name: string): Refusal =>
    refusal(`${name}() is not supported: what it changes cannot be captured`, 'Call it on each member.'),
  catalogWrite: (name: string): Refusal =>
    refusal(
      `system catalog "${name}" cannot be changed directly: such changes cannot be captured`,
      'Use the DDL command for it.',
    ),
  frozenMoment: refusal(
    "'now', 'today' and their kind in a definition are the moment at which it is made, another one on each member",
    'Write now() or CURRENT_DATE, which are computed anew for each row, or write the value out.',
  ),
  frozenBound: refusal(
    'a partition bound that is computed would be another one on each member',
    'Write the value out.',
  ),
  building: refusal(
    'names that begin with "!lockstep_building_" are those of indexes that Lockstep is building',
    'Choose another name. What is being built gets its own when it is finished.',
    INSUFFICIENT_PRIVILEGE,
  ),
  nestedUnclear: refusal(
    'a schema statement inside a function cannot be carried to the other members: its text is not known for certain',
    'Nothing took effect. Send the statement by itself.',
    HIDDEN,
  ),
  nestedSeveral: refusal(
    'several statements in one EXECUTE, of which one changes the schema, cannot be carried to the other members',
    'Nothing took effect. Use an EXECUTE for each of them.',
    HIDDEN,
  ),
  nestedView: refusal(
    'a materialized view made inside a function would hold other rows on other members: its query depends on chance, the time or the order of rows',
    'Nothing took effect.',
    HIDDEN,
  ),
  hiddenReset: refusal(
    'RESET ALL inside functions and blocks is not supported: it would take back what was captured',
    'Reset single settings by name.',
  ),
  hiddenPassword: refusal(
    'passwords of roles inside of blocks are not supported: they would stand in clear in the logs of the members',
    'Send CREATE ROLE or ALTER ROLE by itself.',
  ),
  backslashPassword: refusal(
    'passwords of roles with a backslash in the text are not supported while standard_conforming_strings is off',
    'Send the statement after SET standard_conforming_strings = on.',
  ),
  maskedNames: refusal(
    'names beyond ASCII in schema statements are not supported in this client encoding',
    "Send the statement after SET client_encoding = 'UTF8'.",
  ),
  controlSchema: refusal(
    'schema "lockstep" belongs to Lockstep and cannot be changed through it',
    'It may be read.',
    INSUFFICIENT_PRIVILEGE,
  ),
  controlLock: refusal(
    'tables of schema "lockstep" cannot be locked through Lockstep: each member has its own',
    'pg_dump leaves them out with --exclude-schema=lockstep.',
    INSUFFICIENT_PRIVILEGE,
  ),
  controlTrigger: refusal(
    'this would change triggers by which Lockstep captures changes',
    'Name your own triggers one by one, without ALL or USER.',
    INSUFFICIENT_PRIVILEGE,
  ),
  alwaysTrigger: refusal(
    'ENABLE ALWAYS and ENABLE REPLICA are not supported: such triggers and rules would fire again on the replicas',
    'Use ENABLE TRIGGER or ENABLE RULE.',
  ),
  replicationRole: refusal(
    'session_replication_role cannot be changed: capture would stop',
    'Disable single triggers with ALTER TABLE ... DISABLE TRIGGER name.',
  ),
  subscription: refusal(
    'subscriptions are not supported: rows that arrive by logical replication would pass around Lockstep',
  ),
  unknown: (node: string): Refusal => refusal(`statements of the kind ${node} are not supported`),
  tooLarge: (bytes: number): Refusal =>
    refusal(
      `the statement is too large to be examined (${bytes} bytes)`,
      'Send data as parameters, with COPY or in several INSERTs.',
      PROGRAM_LIMIT,
    ),
  tooManyTokens: refusal(
    'the statement has too many words and signs to be examined',
    'Send data as parameters, with COPY or in several INSERTs; split what is not data.',
    PROGRAM_LIMIT,
  ),
  tooDeep: refusal(
    'the statement is nested too deeply to be examined, or has a run of more than a thousand operator characters',
    'Split it, flatten its expressions, or shorten lines that are drawn in its comments.',
    '54001',
  ),
} as const;

function refusal(message: string, hint?: string, sqlState = NOT_SUPPORTED): Refusal {
  return hint === undefined ? { message, sqlState } : { message, hint, sqlState };
}

export function refuse(tag: string, reason: Refusal): Draft {
  return { kind: 'refused', tag, refusal: reason };
}
