/** What can be seen of a running node besides its status: what happened, what clients do, how fast it goes. */

export interface Insight {
  events(filter?: EventFilter): Promise<EventPage>;
  /** One sample a second, the oldest first, of the last quarter of an hour. */
  traffic(): Promise<readonly TrafficSample[]>;
  /** Clients that are logged in. */
  sessions(): Promise<readonly SessionInfo[]>;
  /** Calls back with whatever happens from now on. Returns how to stop. */
  watch(listeners: Listeners): () => void;
}

export interface Listeners {
  event(event: EventEntry): void;
  traffic(sample: TrafficSample): void;
}

export const EVENT_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type EventLevel = (typeof EVENT_LEVELS)[number];

export interface EventFilter {
  /** At most so many, the newest. Default: 100. */
  readonly limit?: number;
  readonly type?: string;
  readonly member?: string;
  /** This important, or more. */
  readonly level?: EventLevel;
  /** Only older ones than the one with this id. */
  readonly before?: number;
  /** Only newer ones than the one with this id. */
  readonly after?: number;
}

export interface EventPage {
  /** The newest first. */
  readonly events: readonly EventEntry[];
  /** There are older ones that fit. */
  readonly more: boolean;
}

export interface EventEntry {
  /** Grows by one with each event, also across restarts. */
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly level: EventLevel;
  /** The member that it is about. */
  readonly member?: string;
  /** One line for people. */
  readonly text: string;
  /** What is said about this type of event; docs/reference/events.md lists them. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Null when there was nothing to measure. */
export interface Percentiles {
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface TrafficSample {
  /** ISO 8601: the end of the second. */
  readonly at: string;
  /** Transactions that changed something. */
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  readonly commitMs: Percentiles;
  readonly readMs: Percentiles;
  /** Clients that are logged in. */
  readonly sessions: number;
  /** The longest time in which Lockstep had a request wait: while the primary changes, snapshots are opened, a member is in doubt. */
  readonly longestPauseMs: number;
  readonly members: Readonly<Record<string, MemberTraffic>>;
}

export interface MemberTraffic {
  /** Requests of clients that it was sent. */
  readonly readsPerSecond: number;
  /** Of recent requests; null when there were none. */
  readonly latencyMs: number | null;
  readonly lagCsn: number | null;
  /** Requests in flight. */
  readonly load: number;
}

export interface SessionInfo {
  /** Counts from 1 since the node started. */
  readonly id: number;
  readonly user: string;
  readonly application: string | null;
  readonly address: string;
  readonly state: 'active' | 'idle' | 'idle in transaction';
  /** ISO 8601: in this state. */
  readonly since: string;
  /** What runs, or ran last; cut off when it is long. */
  readonly statement: string | null;
  /** Where that runs, or ran. */
  readonly member: string | null;
}
