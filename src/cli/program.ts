/** What the command line asks of the rest of Lockstep. `wiring.ts` fills it; tests hand in their own. */
import type { PreflightView } from '../admin/index.ts';
import type { Config } from '../config/index.ts';
import type { Logger } from '../telemetry/index.ts';

export interface Program {
  /** Resolves once clients are let in; rejects when the node may not start, leaving nothing behind. */
  serve(config: Config, options: ServeOptions): Promise<ServingNode>;
  /** Looks at every member without changing anything. An unreachable member is a finding, not an error. */
  check(config: Config): Promise<CheckReport>;
  /** The same of the first member alone, as of a database that is new to everybody. */
  look(config: Config): Promise<PreflightView>;
  /** How the members are doing that can be reached; nothing is said of the others. Changes nothing. */
  examine(config: Config): Promise<readonly { readonly id: string; readonly findings: readonly Finding[] }[]>;
  /** Removes every trace of Lockstep from the members. Refuses while a node runs. */
  detach(config: Config): Promise<DetachReport>;
  /** Takes a member out of what the node remembers, and resolves with a sentence. Refuses while a node runs. */
  removeMember(config: Config, id: string): Promise<string>;
  demo(options: DemoOptions): Promise<RunningDemo>;
}

export interface ServeOptions {
  readonly logger: Logger;
  /** Ends a start that is still under way. */
  readonly signal: AbortSignal;
  /** The operator's word that this member has every acknowledged commit; for this start only. */
  readonly trust?: string | undefined;
  /** `logging.level` has changed in the configuration. */
  readonly setLogLevel?: (level: Config['logging']['level']) => void;
}

export interface RunningNode {
  /** Where clients are served, as host:port, with the port that was really taken. */
  readonly address: string;
  /** Where its console is; undefined when it has none. */
  readonly adminUrl?: string | undefined;
  /** Resolves when the node has stopped; rejects when it had to stop by itself. */
  readonly ended: Promise<void>;
  /** Lets running transactions end, as long as the configuration allows. */
  stop(): Promise<void>;
}

export interface ServingNode extends RunningNode {
  /** Opens its console, signed in: once, and soon. */
  consoleLink?(): string | undefined;
  /** Reads the configuration file again. Throws what is wrong with it, which the log says as well. */
  reload(): Promise<unknown>;
}

export interface CheckReport {
  readonly members: readonly {
    readonly id: string;
    readonly url: string;
    readonly findings: readonly Finding[];
  }[];
  /** About the members together: are they equal? */
  readonly cluster: readonly Finding[];
}

export interface Finding {
  /** What was looked at. */
  readonly name: string;
  readonly ok: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** The exact command or setting that cures it. */
  readonly cure?: string;
}

export interface DetachReport {
  readonly members: readonly {
    readonly id: string;
    readonly ok: boolean;
    /** What was removed, or why nothing could be. */
    readonly message: string;
  }[];
}

export interface DemoOptions extends ServeOptions {
  /** Keeps the data of the demo from one run to the next. */
  readonly directory: string;
  readonly port: number;
  /** Of the console; 0 lets the system choose. */
  readonly adminPort: number;
  readonly onProgress: (text: string) => void;
}

export interface RunningDemo extends RunningNode {
  /** What a client needs to connect to the node. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly username: string;
    readonly password?: string;
    readonly database: string;
  };
  readonly members: readonly { readonly id: string; readonly url: string }[];
  /** The configuration that the demo's node runs with. */
  readonly configFile: string;
  /** The file with the word that lets into the console. */
  readonly tokenFile: string;
}
