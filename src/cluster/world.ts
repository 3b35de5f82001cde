/** What the engine is told and handed. */

import type { Clock } from '../base/index.ts';
import type { StateStore } from '../coordination/index.ts';
import type { Member, SessionLink } from '../dialects/contract.ts';
import type { EngineEventBody } from '../telemetry/index.ts';
import type { ProbeSettings } from './membership/prober.ts';
import type { Balancer } from './reads/read-router.ts';
import type { DayWindow } from './verify/schedule.ts';

export interface ClusterMember {
  readonly member: Member;
  readonly url: string;
  readonly weight: number;
}

export interface ClusterSettings {
  readonly clusterId: string;
  readonly balancer: Balancer;
  readonly probe: ProbeSettings;
  readonly commitMs: number;
  readonly outageMs: number;
  readonly switchMs: number;
  readonly applyBatch: number;
  readonly sync: SyncSettings;
  readonly verification: VerificationSettings;
  readonly log: { readonly segments: number; readonly segmentBytes: number; readonly segmentMs: number };
}

/** How inactive members are brought back. */
export interface SyncSettings {
  /** Without being asked. */
  readonly automatic: boolean;
  /** Between two attempts at a member that keeps failing: from this, doubling, to that. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** So many failures of an active member within that time put it into quarantine. */
  readonly quarantineFailures: number;
  readonly quarantineMs: number;
  /** Read from a source; 0: no limit. */
  readonly maxBytesPerSecond: number;
  /** Longest time that commits are held while snapshots are opened. */
  readonly holdMs: number;
}

/** How active members are proven equal. */
export interface VerificationSettings {
  /** Between two verifications of everything; 0: only when asked. */
  readonly everyMs: number;
  /** It is begun at this time of the day; undefined: at any. */
  readonly window: DayWindow | undefined;
  /** Read from each member; 0: no limit. */
  readonly maxBytesPerSecond: number;
  /** Between two looks at a few rows; 0: never. */
  readonly sampleMs: number;
}

/** All that the engine touches. */
export interface World {
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly store: StateStore;
  readonly raise: (event: EngineEventBody) => void;
}

/** A request that a member has been sent. Another one is another object. */
export interface Unanswered {
  readonly link: SessionLink;
  readonly sinceMs: number;
}

/** Sessions that the engine must reach when a member goes or the primary moves. */
export interface MemberUser {
  /** A transaction of it is open on the primary. */
  readonly inTransaction: boolean;
  /** What it waits for a member to answer. */
  readonly unanswered: Unanswered | undefined;
  /** The member is left alone from now on: whatever is open or under way there is lost. */
  abandon(memberId: string): void;
  /** It has waited for a member that nobody can reach, for longer than its client should. */
  outage(): void;
}

export type Verdict = 'alive' | 'deposed';
