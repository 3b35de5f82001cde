/** What an operator can ask of a running node. The engine implements it; every door offers the same. */
export interface Operations {
  status(): Promise<ClusterStatus>;
  /** Refuses a member that is not provably level with the others. */
  activateMember(id: string): Promise<CommandResult>;
  /** Takes a member out until an operator brings it back. Refuses the last active one. */
  deactivateMember(id: string, reason?: string): Promise<CommandResult>;
  /** Moves the primary to another active member. */
  switchPrimary(id: string): Promise<CommandResult>;
}

export interface CommandResult {
  /** False when everything was already as asked for. */
  readonly changed: boolean;
  /** One sentence for the operator. */
  readonly message: string;
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
  /** Clients that are logged in. */
  readonly clients: number;
  readonly members: readonly MemberStatus[];
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
}
