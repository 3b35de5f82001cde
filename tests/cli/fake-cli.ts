import { EventEmitter } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { systemClock } from '../../src/base/index.ts';
import { runCli } from '../../src/cli/index.ts';
import type { Program } from '../../src/cli/index.ts';

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
}

const unused = () => Promise.reject(new Error('this test does not need it'));

/** A command line with its output kept, its signals in hand, and a program of the test's choosing. */
export class FakeCli {
  readonly signals = new EventEmitter();
  readonly exits: number[] = [];
  /** What is typed; on a terminal somebody is there to be asked. */
  readonly stdin = new PassThrough();
  stdout = '';
  stderr = '';
  /** With it, both outputs are a terminal of this size. */
  readonly #terminal: Terminal | undefined;
  readonly #program: Program;
  readonly #env: Readonly<Record<string, string>>;

  constructor(
    program: Partial<Program> = {},
    env: Readonly<Record<string, string>> = {},
    terminal?: Terminal,
  ) {
    this.#terminal = terminal;
    this.#program = {
      serve: unused,
      check: unused,
      look: unused,
      examine: () => Promise.resolve([]),
      detach: unused,
      removeMember: unused,
      demo: unused,
      ...program,
    };
    this.#env = env;
  }

  run(...args: string[]): Promise<number> {
    return runCli(args, {
      stdin: Object.assign(this.stdin, { isTTY: this.#terminal !== undefined }),
      stdout: this.#sink((text) => {
        this.stdout += text;
      }),
      stderr: this.#sink((text) => {
        this.stderr += text;
      }),
      env: this.#env,
      signals: this.signals,
      clock: systemClock,
      exit: (status) => this.exits.push(status),
      loadProgram: () => Promise.resolve(this.#program),
    });
  }

  #sink(take: (text: string) => void): Writable {
    const output = new Writable({
      write: (chunk, _, done) => {
        take(String(chunk));
        done();
      },
    });
    return this.#terminal === undefined ? output : Object.assign(output, { isTTY: true, ...this.#terminal });
  }

  json(): Record<string, unknown> {
    return JSON.parse(this.stdout) as Record<string, unknown>;
  }
}

/** A directory with a good configuration in it. */
export async function configDirectory(): Promise<{ readonly directory: string; readonly file: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-cli-'));
  const file = join(directory, 'lockstep.yaml');
  await writeFile(
    file,
    `cluster: orders
dialect: postgres
username: app
clients: [app]
password: "pa55-word"
members:
  - { id: db1, url: "postgres://127.0.0.1:5432/orders" }
  - { id: db2, url: "postgres://127.0.0.1:5433/orders" }
listen: { postgres: "127.0.0.1:6432" }
state: .
`,
    { mode: 0o600 },
  );
  return { directory, file };
}
