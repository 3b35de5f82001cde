import type { ListenAddress } from './address.ts';
import type { EventType } from '../telemetry/index.ts';
import type { FileOptions, TlsMode } from './schema.ts';
import type { Secret } from './secret.ts';

/**
 * The checked configuration. Every option has its value, every path is absolute, secrets and certificates have been
 * read. It can be printed as it is: a `Secret` hides itself.
 */
export interface Config {
  /** Where it was read from. */
  readonly file: string;
  readonly cluster: string;
  readonly dialect: FileOptions['dialect'];
  /** As whom Lockstep works on the members, unless they override it. Absent when every member has its own. */
  readonly username?: string;
  readonly password?: Secret;
  readonly members: readonly MemberConfig[];
  readonly listen: {
    readonly postgres: ListenAddress;
    readonly admin?: ListenAddress;
    readonly tls?: ListenTls;
  };
  readonly admin: Readonly<Omit<FileOptions['admin'], 'users'>> & { readonly users: readonly LoginConfig[] };
  readonly clients: readonly LoginConfig[];
  /** Absolute. */
  readonly state: string;
  readonly balancer: FileOptions['balancer'];
  readonly source?: string;
  readonly probe: Readonly<FileOptions['probe']>;
  readonly deadlines: Readonly<FileOptions['deadlines']>;
  readonly log: Readonly<FileOptions['log']>;
  /** `pgDump` is absolute. */
  readonly sync: Readonly<FileOptions['sync']>;
  readonly verification: Readonly<FileOptions['verification']>;
  readonly limits: Readonly<FileOptions['limits']>;
  readonly hooks: readonly HookConfig[];
  readonly logging: Readonly<FileOptions['logging']>;
}

export interface MemberConfig {
  readonly id: string;
  /** Canonical, without user and password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly weight: number;
  readonly username: string;
  readonly password?: Secret;
  readonly tls: MemberTls;
}

/** Certificates and keys are PEM text, not paths. */
export interface MemberTls {
  readonly mode: TlsMode;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: Secret;
  readonly md5?: true;
}

export interface ListenTls {
  readonly cert: string;
  readonly key: Secret;
  /** Clients that do not encrypt are refused. */
  readonly required: boolean;
}

/** Either `run` or `post`. */
export interface HookConfig {
  readonly name: string;
  readonly on?: readonly EventType[];
  /** A program that is named by a path is absolute. */
  readonly run?: readonly string[];
  readonly post?: Secret;
  readonly authorization?: Secret;
  readonly timeoutMs: number;
  readonly attempts: number;
}

/** Without either, the members keep the password and the node does not know it. */
export interface LoginConfig {
  readonly name: string;
  readonly password?: Secret;
  readonly trust?: 'loopback';
}
