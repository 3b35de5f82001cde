/** What synchronisation is handed of the engine. */

import type { Note } from '../../coordination/index.ts';
import type { Member } from '../../dialects/contract.ts';
import type { DataSync, RowKeeper, WorkProgress } from '../../dialects/sync-contract.ts';
import type { ReplicaStreams } from '../apply/replica-streams.ts';
import type { CommitBoundary } from '../commits/commit-boundary.ts';
import type { CommitOrder } from '../commits/commit-order.ts';
import type { Gate } from '../gate.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../roster.ts';
import type { ClusterSettings, World } from '../world.ts';

/** Where the rows that a synchronisation removes go. */
export interface KeptRows extends RowKeeper {
  /** Undefined until a row was kept. */
  readonly file: string | undefined;
  close(): Promise<void>;
}

/** What a dialect and a node give, besides members. Without it, members come back by replay alone. */
export interface SyncTools {
  readonly data: DataSync;
  keepRows(memberId: string): KeptRows;
  /** The member is about to answer reads: what has to be known of it for that is found out. */
  prepare(member: Member): Promise<void>;
  /** The last verification, over restarts. */
  readonly note: Note;
}

export interface SyncParts {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly order: CommitOrder;
  readonly streams: ReplicaStreams;
  readonly boundary: CommitBoundary;
  /** In front of the primary: closed while it changes. */
  readonly gate: Gate;
  readonly stopped: AbortSignal;
  readonly tools: SyncTools | undefined;
  primaryId(): string;
  /** It does not hold what the primary holds, and nobody has said who is right: nobody is made like it. */
  isContested(id: string): boolean;
  /** Its data were made those of a source. */
  compared(id: string): Promise<void>;
  /** A member has become active: the second witness is told, and it is said. */
  activated(id: string, reason: string): Promise<void>;
}

export type Phase = 'choose' | 'snapshot' | WorkProgress['phase'] | 'conclude' | 'catch-up' | 'join';

export interface SyncProgress extends Omit<WorkProgress, 'phase'> {
  readonly phase: Phase;
  /** Commits that it still lacks; undefined while that does not matter. */
  readonly lagCsn: number | undefined;
}

export const noProgress: SyncProgress = {
  phase: 'choose',
  table: undefined,
  tablesDone: 0,
  tablesTotal: 0,
  rowsDone: 0,
  rowsTotal: 0,
  bytesDone: 0,
  ofTable: undefined,
  lagCsn: undefined,
};

export type SyncFailureKind =
  /** The member does not answer. */
  | 'unreachable'
  /** It may not be synchronised, or not in this way. */
  | 'refused'
  /** The member that is read from went away: another one is there next time. */
  | 'source'
  /** The cluster's log was emptied meanwhile: the next attempt compares. */
  | 'log-gone'
  /** What the log says does not fit its rows: the next attempt compares. */
  | 'differs'
  | 'cancelled'
  | 'failed';

export class SyncFailure extends Error {
  readonly kind: SyncFailureKind;
  readonly hint: string;

  constructor(kind: SyncFailureKind, message: string, hint = '', cause?: unknown) {
    super(message, { cause });
    this.name = 'SyncFailure';
    this.kind = kind;
    this.hint = hint;
  }
}

export function isActive(membership: Membership, member: Member): boolean {
  return membership.entry(member.id)?.state === 'active';
}
