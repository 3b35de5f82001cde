/** What is asked in a browser while there is no configuration yet: the same that `lockstep init` asks at a terminal. */
import type { Candidate, Finding, PreflightView } from './settings.ts';

export interface SetUp {
  state(): SetUpState;
  /** The page has this. */
  told(state: SetUpState): void;
  /** Looks at one database and changes nothing. */
  look(candidate: Candidate): Promise<PreflightView>;
  /** Looks at all of it together, and writes the file when nothing stands against it: then the node starts. */
  write(input: SetUpInput): Promise<SetUpAnswer>;
}

export interface SetUpInput {
  readonly cluster: string;
  readonly username: string;
  /** Empty: none. `$NAME`: in that environment variable. Else it is kept in a file beside, for its owner alone. */
  readonly password: string;
  readonly members: readonly { readonly id: string; readonly url: string }[];
  readonly clients: readonly string[];
  readonly listen: string;
  /** Of the console; empty: none. */
  readonly admin: string;
  readonly state: string;
  /** The member whose data count when they differ; empty: the start is refused then. */
  readonly source: string;
}

export interface SetUpAnswer {
  /** Nothing when there is something to cure. */
  readonly written: readonly string[];
  readonly findings: readonly Finding[];
}

export interface SetUpState {
  /** `asking`: nothing is written. */
  readonly state: 'asking' | 'starting' | 'running' | 'failed';
  /** Where the configuration will be, or is. */
  readonly file: string;
  /** What is in the fields at first. */
  readonly defaults: SetUpInput;
  /** The console of the node that runs, signed in; null: it has none, or does not run yet. */
  readonly link: string | null;
  /** Why the node has not started. */
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | null;
}
