/** What a node must remember across restarts: the cluster it serves, and which members may be trusted. */
export interface NodeState {
  readonly clusterId: string;
  /** Fences off older nodes. Only ever grows. */
  readonly term: number;
  /** Grows by one with every change of membership. */
  readonly version: number;
  readonly members: readonly RememberedMember[];
  /** Id of the primary, when there was one. */
  readonly primary: string | null;
  /** Up to here, at least, the primary lacked nothing when this was recorded. How far it really was, its own log says. */
  readonly lastCsn: number;
}

export interface RememberedMember {
  readonly id: string;
  /** Never with a password. */
  readonly url: string;
  readonly active: boolean;
  /** Why it is inactive; always there when it is. */
  readonly reason?: string;
  /** ISO 8601: since when it is active or inactive. */
  readonly since: string;
  /** An operator took it out, so only an operator brings it back. */
  readonly held: boolean;
  /** An operator takes it out of the cluster for good; it is held, and forgotten as soon as the configuration lacks it. */
  readonly leaving?: true;
  /**
   * Of an inactive member: its log had reached this record, without holes. Above, when it was the primary, a commit may be missing in
   * it that others have, and that stands between two of its own. A log that ends below was put back to an older state. Absent: nothing
   * is known.
   */
  readonly wholeUpToCsn?: number;
  /** Its rows were found to differ, or may: what it has missed is not all that it lacks. */
  readonly differs?: boolean;
}
