/** The configuration of a running node, seen and changed; and databases looked at before they are taken in. */

import type { Authority } from './command.ts';
import type { CommandResult } from './operations.ts';

export interface Settings {
  /** The file as it is now, without its secrets, and every option that there is. */
  config(): Promise<ConfigView>;
  /** Changes the file, whose comments stay, and takes over what can be. Throws what is not allowed; nothing has changed then. */
  changeConfig(changes: readonly OptionChange[], by: Authority): Promise<ConfigChanged>;
  /** The same for the entry of one member. */
  editMember(id: string, changes: MemberChange, by: Authority): Promise<ConfigChanged>;
  /**
   * Looks at one database, or without a URL at all members, and changes nothing. To an address that is no member's, an operator
   * gives the password along.
   */
  preflight(candidate: Candidate, by: Authority): Promise<PreflightView>;
  /** Takes what Lockstep needs out of a database that is no member any more: it takes writes of its own again. */
  freeDatabase(candidate: Candidate, by: Authority): Promise<CommandResult>;
  /** New transactions of clients wait from now on; those that are open go on. */
  pause(): Promise<CommandResult>;
  resume(): Promise<CommandResult>;
}

export interface ConfigView {
  readonly file: string;
  /** As its author wrote it. */
  readonly text: string;
  /** What is set in it; the rest has its default. */
  readonly values: unknown;
  readonly options: readonly {
    /** `probe.intervalMs` */
    readonly path: string;
    readonly type: string;
    readonly default: string;
    readonly help: string;
    /** In words. */
    readonly allowed: string;
    /** A change takes effect when the node is started again. */
    readonly restart: boolean;
  }[];
  readonly problems: readonly {
    readonly severity: string;
    readonly path: string;
    readonly message: string;
    /** Where in the file; null when it is about no place in it. */
    readonly line: number | null;
  }[];
  /** What it said when it was taken over last, where that was something else; without secrets. */
  readonly before: string | null;
}

export interface OptionChange {
  /** `probe.intervalMs` */
  readonly path: string;
  /** As it would be written; null: the default. */
  readonly value: unknown;
}

export interface ConfigChanged {
  /** In force. */
  readonly applied: readonly string[];
  /** In the file, and left until the node is started again. */
  readonly needsRestart: readonly string[];
}

export type SecretPlace = { readonly env: string } | { readonly file: string };

/** Null: the default. */
export interface MemberChange {
  readonly url?: string;
  readonly weight?: number | null;
  readonly username?: string | null;
  readonly password?: string | SecretPlace | null;
}

/** What is left out is as for the members. */
export interface Candidate {
  /** What it is to be called; of a member, the one that is to be reached in this way. */
  readonly id?: string;
  readonly url?: string;
  readonly username?: string;
  /** As it is, or where the node finds it. */
  readonly password?: string | SecretPlace;
}

export interface Finding {
  /** What was looked at. */
  readonly name: string;
  readonly ok: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** The exact command or setting that cures it. */
  readonly cure?: string;
}

export interface PreflightView {
  readonly members: readonly {
    readonly id: string;
    readonly url: string;
    readonly findings: readonly Finding[];
    /** The last thing that was well on the way to it. */
    readonly reach: 'nothing' | 'server' | 'login' | 'database';
    /** Of a database that is no member: whether it holds anything, and whether that came from this cluster. */
    readonly holds?: 'nothing' | 'ours' | 'its own';
    /** What it was called when it was part of this cluster, if that is not what it is to be called now. */
    readonly former?: string;
  }[];
  /** What only the comparison shows. */
  readonly cluster: readonly Finding[];
}
