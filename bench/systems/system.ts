import type { Address } from '../pgbench.ts';
import type { Workload } from '../workloads.ts';

/** Something that clients can talk to instead of one PostgreSQL server. */
export interface System {
  readonly name: string;
  readonly title: string;
  /** Where pgbench goes. More than one: it goes to each of them at once. */
  readonly targets: readonly Address[];
  /** The databases behind it; with more than one they are meant to stay equal. */
  readonly databases: readonly Address[];
  /** The process in the middle, for its memory and processor time. */
  readonly pid: number | undefined;
  readonly version: string;
  /** Why it cannot run this workload; undefined when it can. */
  whyNot(workload: Workload): string | undefined;
  /** The place, among the databases, of the one that executes writes first. */
  primary(): Promise<number>;
  stop(): Promise<void>;
}

/** How a system is set up over databases that are there already. */
export type StartSystem = (databases: readonly Address[], context: SystemContext) => Promise<System>;

export interface SystemContext {
  /** For the configuration, state and log of this system alone. */
  readonly dir: string;
  /** The lockstep.js under test. */
  readonly program: string;
  /** Another one, to be compared with it. */
  readonly before?: string | undefined;
  readonly clientsMax: number;
  /** A replica that hangs is to be given up after this time; every system's own default when not given. */
  readonly hangDeadlineMs?: number;
  /** Further words for Node, where the system is a Node program. */
  readonly nodeWords?: readonly string[];
}
