/**
 * The words of this room: what is known about one statement before it runs. Everything here is plain data; who
 * reads it decides what to do.
 */

import type { IndexName } from './index-name.ts';

export type StatementKind =
  /** May run on any active member. */
  | 'read'
  /** Changes nothing, but its answer belongs to the primary: system columns, catalogs, locks, cursors, SHOW. */
  | 'primary-read'
  | 'write'
  | 'copy-in'
  /** Shipped to the replicas as statement text. */
  | 'ddl'
  /** DDL on objects that live and die with the session: never shipped, pins the session to the primary. */
  | 'temp-ddl'
  | 'create-table-as'
  | 'create-matview'
  | 'refresh-matview'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'release'
  | 'rollback-to'
  | 'set-transaction'
  | 'set-constraints'
  | 'set'
  | 'discard'
  | 'prepare'
  | 'deallocate'
  | 'declare-cursor'
  | 'listen'
  | 'unlisten'
  /** The definition of one of Lockstep's own triggers, from a dump: there is nothing to do. */
  | 'control'
  /** VACUUM and its kind: runs on each member by itself and changes no data. */
  | 'maintenance'
  | 'refused'
  | 'empty'
  /** The parser finds a syntax error; `refusal` is the answer that the server would give. */
  | 'unparsable'
  | 'too-large';

export interface RelationName {
  readonly schema?: string;
  readonly name: string;
}

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

/** What was asked for; an absent field was not mentioned. */
export interface TransactionOptions {
  readonly isolation?: IsolationLevel;
  readonly readOnly?: boolean;
  readonly deferrable?: boolean;
  /** SET TRANSACTION SNAPSHOT: the snapshot exists on the primary only. */
  readonly snapshot?: true;
}

export interface Refusal {
  readonly message: string;
  readonly hint?: string;
  readonly sqlState: string;
  /** Where in the text, in characters from 1, as the wire protocol counts. */
  readonly position?: number;
}

/** A flag that is absent is false; a detail that is absent does not apply. */
export interface Statement {
  /** Bytes in the buffer, blanks around it and the semicolon left out. */
  readonly start: number;
  readonly end: number;
  readonly kind: StatementKind;
  /** The command in capitals, for messages: `CREATE TABLE`. Not always the server's command tag. */
  readonly tag: string;
  /** The first thing found that decided the kind, as a clause: "it calls nextval()". */
  readonly because?: string;
  /** On `refused`, `unparsable` and `too-large`. */
  readonly refusal?: Refusal;

  /** A write that only takes locks: SELECT FOR UPDATE, LOCK TABLE. */
  readonly locksOnly?: true;
  readonly truncate?: true;
  readonly restartIdentity?: true;
  readonly copy?: 'in' | 'out';
  /** Calls now() or its kind: answers within one transaction agree only on one member. */
  readonly readsClock?: true;
  /** Runs code that is not in the text: what it changes, sequences among it, and how much, cannot be seen. */
  readonly runsCode?: true;
  /** Calls setval(): a sequence may go back. */
  readonly setsSequences?: true;
  /** Takes an advisory lock that outlives the transaction. */
  readonly sessionLock?: true;
  /** Takes an advisory lock until the transaction ends, so the rest of it belongs where the lock is. */
  readonly transactionLock?: true;
  /** Calls set_config() or updates pg_settings: session settings may change, which ones cannot be seen. */
  readonly setsConfig?: true;
  /** Calls pg_export_snapshot(): who imports it must be on the same member. */
  readonly exportsSnapshot?: true;
  /** Runs code that is not in the text and may change the session's state: its settings, locks, temporary objects. */
  readonly unseen?: true;
  /** What it does, or tells, belongs to the session's connection to the primary, in a READ ONLY transaction too. */
  readonly atPrimary?: true;
  /** Calls pg_terminate_backend(). */
  readonly endsSessions?: true;
  /** Once it has run, the session depends on the state of one server connection. */
  readonly pinsSession?: true;

  /** By CREATE TABLE, CREATE TABLE AS, SELECT INTO and CREATE MATERIALIZED VIEW. */
  readonly createdTable?: RelationName;
  readonly createdView?: RelationName;
  readonly ifNotExists?: true;
  readonly withNoData?: true;
  /** REFRESH that lets readers go on, and needs a temporary table for that. */
  readonly refreshesConcurrently?: true;
  /** The defining query visibly computes something that differs from member to member. */
  readonly volatile?: true;
  /** The defining query's rows depend on the order rows are found in: LIMIT, array_agg() without ORDER BY. */
  readonly orderDependent?: true;
  /** ALTER TABLE that computes a value per row which differs from member to member. */
  readonly rewritesRows?: RelationName;
  /** It does so only where a domain has a default. */
  readonly ifDomains?: true;
  /** CREATE or ALTER EXTENSION: the script of this one may write rows. */
  readonly extension?: string;
  /** The names here hold one character for each byte of the client's text, which is not UTF-8. */
  readonly bytewise?: true;
  /** Existing relations that the command is about, where it says so: whether they are temporary only the primary knows. */
  readonly targets?: readonly RelationName[];
  /** Existing extended statistics that it is about: they are temporary when their table is. */
  readonly statistics?: readonly RelationName[];
  /** Existing relations whose structure the command copies. */
  readonly sources?: readonly RelationName[];
  /** CREATE or DROP INDEX CONCURRENTLY, DETACH PARTITION CONCURRENTLY. For temporary tables the server makes nothing of the word. */
  readonly concurrently?: true;
  /** The index that CREATE INDEX CONCURRENTLY makes. */
  readonly index?: IndexName;
  /** On `ddl`: with another schema it might have been judged otherwise. */
  readonly judgedBySchema?: true;
  /** A DO block of nothing but schema statements. */
  readonly schemaBlock?: true;
  /** CREATE or ALTER ROLE with a password in it. */
  readonly setsPassword?: true;
  /** Speaks of a database by name (GRANT ON DATABASE): members may call theirs differently. */
  readonly namesDatabase?: true;

  /** Savepoint, prepared statement, cursor, channel or setting (in lower case). */
  readonly name?: string;
  /** DEALLOCATE ALL, UNLISTEN *, SET CONSTRAINTS ALL. */
  readonly all?: true;
  readonly transaction?: TransactionOptions;
  readonly chain?: true;
  readonly local?: true;
  readonly reset?: true;
  readonly resetAll?: true;
  /** A setting's new value where it is one constant. */
  readonly value?: string;
  readonly discards?: 'all' | 'plans' | 'sequences' | 'temp';
  readonly hold?: true;
  /** What the query inside PREPARE or DECLARE CURSOR is. */
  readonly queryKind?: StatementKind;
  /** On `maintenance`: whether the server runs it inside a transaction block. */
  readonly inTransactionOk?: boolean;
}

/** A statement before it has a place in a text. */
export type Draft = Omit<Statement, 'start' | 'end'>;

export type Volatility = 'immutable' | 'stable' | 'volatile' | 'unknown';

/** What running an object of the schema may do besides giving an answer, each with what tells so. */
export interface Hidden {
  /** It may change or use the session's state. */
  session?: string | undefined;
  writes?: string | undefined;
  /** It may set a sequence back. */
  sequences?: string | undefined;
  /** The answer belongs to one member, or to the session's connection to it. */
  local?: string | undefined;
}

/** A `field` is a function as `row.name` calls it, a `target` a relation that is written. */
export type HiddenIn = 'function' | 'field' | 'relation' | 'target' | 'type' | 'operator';

/** The functions outside pg_catalog, and what is not proven harmless in the schema, as the primary knows them. */
export interface FunctionCatalog {
  /** Grows with every change; a classification is remembered only as long as it stays. */
  readonly version: number;
  /** Settings, by name, that code may read on any member. */
  readonly settings: readonly string[];
  /** Without a schema, of all that have the name. Undefined: nothing, or there is no such thing. */
  hidden(what: HiddenIn, schema: string | undefined, name: string): Hidden | undefined;
  /** What hides behind any statement whatever. */
  readonly everywhere: Hidden | undefined;
  /** The worst among the overloads; without a schema, among all schemas. */
  volatility(schema: string | undefined, name: string): Volatility;
}

export const CONTROL_SCHEMA = 'lockstep';
