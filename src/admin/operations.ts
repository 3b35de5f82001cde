/** What an operator can ask of a running node. A node implements it; every door offers the same. */

import type { Authority } from './command.ts';
import type { Insight } from './insight.ts';
import type { JobStatus } from './jobs.ts';
import type { Settings } from './settings.ts';

export interface Operations extends Insight, Settings {
  status(): Promise<ClusterStatus>;
  /** Takes a member out until an operator brings it back. Refuses the last active one. */
  deactivateMember(id: string, reason?: string): Promise<CommandResult>;
  /** Moves the primary to another active member. */
  switchPrimary(id: string): Promise<CommandResult>;
  /**
   * Begins to bring an inactive member level, and to activate it then, also one that an operator took out. What goes on
   * for it already is stopped first. Resolves as soon as the work has begun.
   */
  syncMember(id: string, request?: SyncRequest): Promise<JobStatus>;
  /** Stops what brings the member level, whoever began it. It is held inactive then, so that nothing begins again by itself. */
  cancelSync(id: string): Promise<CommandResult>;
  /** Begins to compare all active members. Resolves as soon as the work has begun. */
  verify(request?: VerifyRequest): Promise<JobStatus>;
  /**
   * Begins to make the named member, or every member that was found to differ, equal again, and has every table watched. Resolves as
   * soon as the work has begun.
   */
  repair(request?: RepairRequest): Promise<JobStatus>;
  /** What the last verification has found, also before a restart; null: there was none. */
  verification(): Promise<VerificationReport | null>;
  /** Takes a database into the cluster and into the configuration file. It is brought level by itself from then on. */
  addMember(member: NewMember, by: Authority): Promise<CommandResult>;
  /**
   * Takes a member out of the cluster and out of the configuration file. Nothing is done to its data. `free`: it takes writes of its
   * own again.
   */
  removeMember(id: string, options?: { readonly free?: boolean }): Promise<CommandResult>;
  /** Puts members that the configuration file has lost back into it, as they stood there. */
  restoreMembers(): Promise<CommandResult>;
  /** The newest last; what ended long ago is forgotten. */
  jobs(): Promise<readonly JobStatus[]>;
  /** Asks the work to end. The job says when it has. */
  cancelJob(id: number): Promise<CommandResult>;
  /** Reads the configuration file again, and takes over what can be. Throws what is wrong with it; nothing has changed then. */
  reload(): Promise<ReloadResult>;
  /** Stops what a client runs; never a commit under way. */
  cancelSession(id: number): Promise<CommandResult>;
}

export interface CommandResult {
  /** False when everything was already as asked for. */
  readonly changed: boolean;
  /** One sentence for the operator. */
  readonly message: string;
}

/** Options as `probe.intervalMs` or `members[1].weight`. */
export interface ReloadResult extends CommandResult {
  readonly applied: readonly string[];
  /** Changed in the file, and left until the node is started again. */
  readonly needsRestart: readonly string[];
}

export const SYNC_STRATEGIES = ['replay', 'diff', 'full', 'passive'] as const;
export type SyncStrategy = (typeof SYNC_STRATEGIES)[number];

export interface SyncRequest {
  /** Default: the cheapest that is enough. */
  readonly strategy?: SyncStrategy;
  /** Find out what would change, and change nothing. */
  readonly dryRun?: boolean;
  /** Bytes per second. Default: as configured. */
  readonly maxRate?: number;
}

export interface VerifyRequest {
  /** `schema.table`, or a name alone. Default: all of them. */
  readonly tables?: readonly string[];
  /** Bytes per second and member. Default: as configured. */
  readonly rate?: number;
}

export interface RepairRequest {
  /** Default: every member that was found to differ. */
  readonly member?: string;
  /** Find out what would change, and change nothing. */
  readonly dryRun?: boolean;
}

export interface NewMember {
  readonly id: string;
  readonly url: string;
  readonly weight?: number;
  readonly username?: string;
  /** Where the node finds its password; or the password itself, which goes into the file. */
  readonly password?: string | { readonly env: string } | { readonly file: string };
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly role: 'master' | 'failover';
  readonly term: number;
  /** Of the membership. */
  readonly version: number;
  /** Highest CSN that was acknowledged. */
  readonly csn: number;
  readonly primary: string | null;
  readonly listen: readonly string[];
  readonly uptimeMs: number;
  /** An operator has new transactions wait. */
  readonly paused: boolean;
  /** Clients that are logged in. */
  readonly clients: number;
  readonly members: readonly MemberStatus[];
  readonly verification: VerificationStatus;
  readonly file: FileStatus;
}

/** Whether the configuration file still says what the node works by. Options as `probe.intervalMs` or `members[1].url`. */
export interface FileStatus {
  readonly state: 'same' | 'edited' | 'broken';
  /** Members of the cluster that it does not name any more. */
  readonly missing: readonly string[];
  /** Changed in it by hand, and not taken over. */
  readonly unread: readonly string[];
  /** In it, and left until the node is started again. */
  readonly waiting: readonly string[];
  /** Why the node could not work by it: with file, line and column. */
  readonly fault: string | null;
}

export interface MemberStatus {
  readonly id: string;
  /** Without user and password. */
  readonly url: string;
  readonly weight: number;
  readonly active: boolean;
  /** What the membership state machine says. */
  readonly state: string;
  readonly role: 'primary' | 'replica' | 'none';
  /** Why it is inactive; null when it is active. */
  readonly reason: string | null;
  /** ISO 8601: since when it is active or inactive. */
  readonly since: string;
  /** Requests in flight. */
  readonly load: number;
  /** Of recent requests; null when there were none. */
  readonly latencyMs: number | null;
  readonly appliedCsn: number | null;
  /** Acknowledged write sets that it has not applied; null when that is not known. */
  readonly lagCsn: number | null;
  /** Of the database product; null until it was first reached. */
  readonly version: string | null;
  /** Settings that endanger what it holds: one sentence for each. */
  readonly risks: readonly string[];
  /** Null when nothing is done, or planned, to bring it level. */
  readonly sync: SyncStatus | null;
}

/** What is done to bring a member level. */
export interface SyncStatus {
  readonly state: 'running' | 'waiting';
  /** Counts from 1 since it was last active. */
  readonly attempt: number;
  /** Of the attempt under way; null until it is chosen, and between attempts. */
  readonly strategy: SyncStrategy | null;
  /** Why this strategy; between attempts why the last one ended. */
  readonly reason: string | null;
  /** The member that is copied from or compared with. */
  readonly source: string | null;
  readonly dryRun: boolean;
  /** ISO 8601; of the attempt under way. */
  readonly startedAt: string | null;
  /** ISO 8601; null while an attempt is under way. */
  readonly nextRetryAt: string | null;
  /** It was active and failed again so often that it is tried only now and then. */
  readonly quarantined: boolean;
  readonly progress: WorkProgress | null;
}

/** How far a piece of long work is. */
export interface WorkProgress {
  readonly phase: WorkPhase;
  readonly table: string | null;
  readonly tablesDone: number;
  /** 0 when it is not known yet, here and below. */
  readonly tablesTotal: number;
  readonly rowsDone: number;
  /** An estimate. */
  readonly rowsTotal: number;
  readonly bytesDone: number;
  /** Of the last seconds. */
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Null when nothing can be said yet. */
  readonly leftMs: number | null;
  /** The same of the table that is named. */
  readonly ofTable: {
    readonly rowsDone: number;
    readonly rowsTotal: number;
    readonly bytesDone: number;
    readonly leftMs: number | null;
  } | null;
  /** Commits that the member still lacks; null until that matters. */
  readonly lagCsn: number | null;
}

export type WorkPhase =
  | 'choose'
  | 'snapshot'
  | 'schema'
  | 'compare'
  | 'copy'
  | 'repair'
  | 'conclude'
  | 'indexes'
  | 'catch-up'
  | 'join';

export interface TableChange {
  readonly table: string;
  /** Rows that the member lacked, and rows that only it had. A changed row counts in both. */
  readonly missing: number;
  readonly extra: number;
  /** A few of them, for people. */
  readonly samples: readonly { readonly kind: 'missing' | 'extra'; readonly row: string }[];
}

export interface SyncReport {
  readonly member: string;
  readonly source: string | null;
  readonly strategy: SyncStrategy;
  /** Why this strategy. */
  readonly reason: string;
  readonly dryRun: boolean;
  /** Only those in which something changed, or would. */
  readonly tables: readonly TableChange[];
  /** The file with the rows that were removed or overwritten; null when there were none. */
  readonly keptFile: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly tookMs: number;
}

export interface VerifyReport {
  /** `unchecked`: nothing can be said of at least one member or table, and no difference was found elsewhere. */
  readonly outcome: 'equal' | 'differs' | 'unchecked';
  /** Why something could not be checked; null when everything was. */
  readonly reason: string | null;
  /** At which place in the order the members were compared. */
  readonly csn: number | null;
  /** Those that were compared. */
  readonly members: readonly string[];
  readonly tables: number;
  readonly rows: number;
  /** One for each member that differs from the primary and from another member: it is wrong. */
  readonly differences: readonly MemberDifference[];
  /** One for each member that differs from the primary where nobody agrees with that: who is right is for a person to say. */
  readonly contested: readonly MemberDifference[];
  /** What was found and needs no repair: tables that are watched again, rows that are equal now. One sentence for each. */
  readonly settled: readonly { readonly member: string; readonly text: string }[];
  /** How long commits waited while the snapshots were opened. */
  readonly heldMs: number;
  readonly tookMs: number;
}

export interface MemberDifference {
  readonly member: string;
  readonly schema: readonly string[];
  readonly tables: readonly (TableChange & {
    /** There are more than were counted. */
    readonly atLeast: boolean;
  })[];
  readonly sequences: readonly string[];
}

export type VerificationOutcome = VerifyReport['outcome'];

export interface VerificationReport {
  /** ISO 8601: when it ended. */
  readonly at: string;
  readonly outcome: VerificationOutcome;
  /** Why something could not be checked; null when everything was. */
  readonly reason: string | null;
  /** The place in the order at which members were compared last. */
  readonly csn: number | null;
  /** Those that were compared. */
  readonly members: readonly string[];
  readonly heldMs: number;
  readonly tookMs: number;
  /** One sentence for each difference of definitions, rows and sequences, and for each table that was not watched. */
  readonly findings: readonly { readonly member: string; readonly text: string }[];
  /** Those that differ first. */
  readonly tables: readonly VerifiedTable[];
}

export interface VerifiedTable {
  readonly table: string;
  /** Of those that are right. */
  readonly rows: number;
  readonly outcome: VerificationOutcome;
  readonly members: Readonly<Record<string, VerificationOutcome>>;
  /** Some of the rows that differ. */
  readonly differences: readonly {
    /** Column → text; null: the table has no key. */
    readonly key: Readonly<Record<string, string | null>> | null;
    /** Those in which the row is not the same everywhere. */
    readonly columns: readonly string[];
    /** Member → its row, long values cut; null: it has none. Where it is not known, the member is left out. */
    readonly values: Readonly<Record<string, Readonly<Record<string, string | null>> | null>>;
  }[];
}

export interface RepairReport {
  readonly members: readonly SyncReport[];
  /** Tables that nobody watched, and that are watched again (or would be). */
  readonly watched: readonly { readonly member: string; readonly tables: readonly string[] }[];
}

/** The primary differs from replicas, and no other member agrees with it. Nothing is repaired by itself. */
export interface Contest {
  /** ISO 8601: when it was found last. */
  readonly at: string;
  readonly primary: string;
  /** Those that differ from it. They answer no reads. */
  readonly members: readonly string[];
  readonly findings: readonly { readonly member: string; readonly text: string }[];
}

/** What is known of the members' equality. */
export interface VerificationStatus {
  /** ISO 8601: when the last one ended; null when there was none. */
  readonly at: string | null;
  readonly outcome: VerifyReport['outcome'] | null;
  readonly reason: string | null;
  /** ISO 8601: when the next one is due by the schedule; null when there is none. */
  readonly nextAt: string | null;
  /** Null: the primary differs from nobody, or whoever differs is known to be wrong. */
  readonly contest: Contest | null;
  /** When each table was last looked at, and what was found. */
  readonly tables: readonly {
    readonly table: string;
    readonly at: string;
    readonly csn: number;
    readonly outcome: VerificationOutcome;
  }[];
}
