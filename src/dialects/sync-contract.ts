/**
 * What the engine asks of a database product to make a member level and to prove members equal. Tables are opaque names here;
 * the comparing is done inside the databases, and only digests and differing rows travel.
 */

import type { Member } from './contract.ts';

/** One unchanging view of one member. It ends with its connection. */
export interface MemberSnapshot {
  readonly memberId: string;
  /** Every commit up to here is in it, and none above. */
  readonly csn: number;
  close(): void;
}

/** How a synchronisation or verification is watched, slowed and stopped. */
export interface WorkControl {
  readonly signal: AbortSignal;
  /** No piece of work may be larger where it can be cut: so that what is slowed down goes slowly, and not by fits and starts. */
  readonly pieceBytesMax: number;
  /** Called after each piece of work that moved or read this many bytes; resolves when the next may begin. */
  pace(bytes: number): Promise<void>;
  progress(report: WorkProgress): void;
}

export interface WorkProgress {
  readonly phase: 'schema' | 'compare' | 'copy' | 'repair' | 'indexes';
  /** Undefined between tables. */
  readonly table: string | undefined;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  /** Of all tables so far; totals are estimates. */
  readonly rowsDone: number;
  readonly rowsTotal: number;
  readonly bytesDone: number;
  /** Of the table that is named; its total is an estimate too. */
  readonly ofTable: TableProgress | undefined;
}

export interface TableProgress {
  readonly rowsDone: number;
  readonly rowsTotal: number;
  readonly bytesDone: number;
}

/** Takes rows that are about to be removed or overwritten. */
export interface RowKeeper {
  /** One row in the database's text form (PostgreSQL: a line of COPY text, without its end, in the database's own encoding). */
  keep(table: string, columns: readonly string[], row: Buffer): Promise<void>;
  /** Resolves when everything kept so far is safely on disk. */
  flush(): Promise<void>;
}

export interface TableChange {
  readonly table: string;
  /** Rows that the target lacked, and rows that only the target had. A changed row counts in both. */
  readonly missing: number;
  readonly extra: number;
  /** Some of them, for people: at most a few. */
  readonly samples: readonly { readonly kind: 'missing' | 'extra'; readonly row: string }[];
}

export type SchemaVerdict =
  | { readonly kind: 'equal' }
  /** The target has nothing of its own. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'different'; readonly differences: readonly string[] };

/** Where databases differ in what is settled when they are made. */
export interface Unlikeness {
  readonly reason: string;
  /** The statement that makes one alike. */
  readonly cure: string;
  /** Members could be like this, on an operator's word. */
  readonly bearable: boolean;
}

export interface SyncJob {
  readonly source: Member;
  readonly snapshot: MemberSnapshot;
  readonly target: Member;
  /** The one under which the target was marked: each transaction that changes it checks that no newer node has taken over. */
  readonly term: number;
  readonly keeper: RowKeeper;
  readonly control: WorkControl;
  /** Find out and report; change nothing. */
  readonly dryRun: boolean;
}

export interface DataSync {
  /** On a replica. */
  openSnapshot(member: Member): Promise<MemberSnapshot>;
  /** All that can be done beforehand, so that commits are held for one round trip only. */
  prepareSnapshot(member: Member): Promise<PreparedSnapshot>;
  /** Encoding, collation and what else cannot be changed in a database that is there. */
  compareDatabases(snapshot: MemberSnapshot, target: Member): Promise<Unlikeness | undefined>;
  /** Why what the target has cannot be replaced as a whole, before anything of it is. */
  notReplaceable(target: Member): Promise<Pick<Unlikeness, 'reason' | 'cure'> | undefined>;
  compareSchema(snapshot: MemberSnapshot, target: Member): Promise<SchemaVerdict>;
  /**
   * Committed in the target before anything of it is changed. Makes the control schema when there is none. Raises the target's
   * term to this one and ends whatever synchronisation is still at work in it: that of a node which is no more.
   */
  markIncomplete(target: Member, why: string, as: { clusterId: string; term: number }): Promise<void>;
  /** Makes the rows of the target those of the snapshot. The schemas are equal. */
  diff(job: SyncJob): Promise<readonly TableChange[]>;
  /** Schema and all data. What the target has of its own is removed, its rows kept first. */
  full(job: SyncJob): Promise<readonly TableChange[]>;
  /** Its data stand for `csn` now: the log is emptied, the base set, sequences raised to the source's, the mark taken away, at once. */
  conclude(target: Member, source: Member, at: { csn: number; term: number; version: number }): Promise<void>;
  /**
   * Sets the target's sequences to where the source's are, also where they are further on: a server that crashed, or handed out
   * numbers that nobody acknowledged, stands ahead of the others. The target is not the primary. Rejects with MemberError of either,
   * soon after `signal` has ended; whatever a member is asked by then does not undo what it hands out later.
   */
  levelPositions(
    target: Member,
    source: Member,
    at: { readonly term: number; readonly signal: AbortSignal },
  ): Promise<void>;
  /** Holds members against each other. Rejects when it could not go on; what it has told of by then stays true. */
  compare(snapshots: readonly MemberSnapshot[], request: CompareRequest): Promise<Comparison>;
  openSampler(random: () => number): RowSampler;
  /** Tables whose changes nobody captures on this member. `what` is the table. */
  unwatchedTables(member: Member): Promise<readonly Finding[]>;
  /** Has the changes of every table captured again. It waits for those that write to such a table just now, but not for long. */
  watchTables(member: Member, term: number): Promise<void>;
}

/** A few rows of one table. */
export interface RowSample {
  /** As in a `ComparedTable`. */
  readonly table: string;
}

/** Takes small samples, each with a bound on time and size, and over connections of its own. One call at a time for each member. */
export interface RowSampler {
  /** Of the next table. Undefined: there was nothing to be had this time. */
  pick(member: Member): Promise<RowSample | undefined>;
  /** Of those rows as the member has them. */
  digest(member: Member, sample: RowSample): Promise<string>;
  close(): void;
}

/** On a primary it is taken while commits are held. */
export interface PreparedSnapshot {
  readonly memberId: string;
  /** One round trip. */
  take(): Promise<MemberSnapshot>;
  /** What was taken stays. */
  close(): void;
}

export interface CompareRequest {
  readonly control: WorkControl;
  /** As an operator names them. Undefined: all. */
  readonly tables: readonly string[] | undefined;
  /** These have been looked at. */
  readonly skip: ReadonlySet<string>;
  /** Whether definitions and sequences are to be compared too. */
  readonly definitions: boolean;
  /** Of members that differ: those that are right. Each group holds the same, and is given by its ids. */
  right(groups: readonly (readonly string[])[], table: string | undefined): readonly string[];
  /** False: that was the last one for now. */
  onTable(found: ComparedTable): boolean;
}

export interface ComparedTable {
  readonly table: string;
  /** Of those that are right. */
  readonly rows: number;
  /** Members whose rows were compared. On the others its definition is another one, or it is not there. */
  readonly members: readonly string[];
  /** Of those that are not right, from those that are. */
  readonly differences: ReadonlyMap<string, TableDifference>;
  /** Nothing that values are written by (types, names) has changed since the snapshots: the differences are certain. */
  readonly certain: boolean;
  /** Why its rows could not be compared now; another time they may be. */
  readonly failure: string | undefined;
}

export interface TableDifference extends TableChange {
  /** So many were found, and there are more. */
  readonly atLeast: boolean;
  /** Some of the rows, side by side. */
  readonly pairs: readonly RowPair[];
}

/** Column → its text, cut where it is long. */
export type RowText = Readonly<Record<string, string | null>>;

export interface RowPair {
  /** Undefined: the table has no key, and rows cannot be told to be the same one. */
  readonly key: RowText | undefined;
  /** Undefined: it is not there. */
  readonly right: RowText | undefined;
  readonly other: RowText | undefined;
}

export interface Comparison {
  /** Per member, what is not as on those that are right. */
  readonly schema: ReadonlyMap<string, readonly Finding[]>;
  readonly sequences: ReadonlyMap<string, readonly Finding[]>;
  /** Per member, tables whose changes nobody captures there. `what` is the table. */
  readonly unwatched: ReadonlyMap<string, readonly Finding[]>;
  /** Every table that is wanted has been told of. */
  readonly complete: boolean;
}

export interface Finding {
  /** The same object is named the same the next time. */
  readonly what: string;
  /** One sentence. */
  readonly text: string;
}

export interface MemberDifference {
  readonly schema: readonly string[];
  readonly tables: readonly TableDifference[];
  readonly sequences: readonly string[];
}
