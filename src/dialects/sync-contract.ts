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
  /** On a replica, or on a primary while commits are held. */
  openSnapshot(member: Member): Promise<MemberSnapshot>;
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
  /** Holds the others against the first snapshot's member. */
  compare(
    snapshots: readonly MemberSnapshot[],
    control: WorkControl,
    tables?: readonly string[],
  ): Promise<Comparison>;
}

export interface Comparison {
  /** What differs, per member, from the first one. The first one itself may be there: a table of it may not be watched. */
  readonly differences: ReadonlyMap<string, MemberDifference>;
  /** What was looked at, with the rows of the first one. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
}

export interface MemberDifference {
  readonly schema: readonly string[];
  readonly tables: readonly TableChange[];
  readonly sequences: readonly string[];
}
