import type { Clock } from '../base/index.ts';
import type { Program } from './program.ts';

/** Everything that the command line touches outside itself. */
export interface CliIo {
  readonly stdin: CliInput;
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signals: {
    on(name: CliSignal, listener: () => void): unknown;
    off(name: CliSignal, listener: () => void): unknown;
  };
  readonly clock: Clock;
  /** Ends the process at once. */
  exit(status: number): void;
  loadProgram(): Promise<Program>;
}

/** The last one means: read the configuration again. */
export type CliSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** A terminal says so. */
export type CliInput = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** A terminal says so, and how large it is. */
export type CliOutput = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  hasColors?(): boolean;
};

/** Options that every command has. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** The result of a command: JSON for programs, text for people. */
export function print(io: CliIo, options: CommonOptions, value: unknown, text: () => string): void {
  io.stdout.write(`${options.json === true ? JSON.stringify(value, null, 2) : text().trimEnd()}\n`);
}
