import { EventEmitter } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runCli } from '../../src/cli/index.ts';
import type { Program } from '../../src/cli/index.ts';

const unused = () => Promise.reject(new Error('this test does not need it'));

/** A command line with its output kept, its signals in hand, and a program of the test's choosing. */
export class FakeCli {
  readonly signals = new EventEmitter();
  readonly exits: number[] = [];
  stdout = '';
  stderr = '';
  readonly #program: Program;
  readonly #env: Readonly<Record<string, string>>;

  constructor(program: Partial<Program> = {}, env: Readonly<Record<string, string>> = {}) {
    this.#program = {
      serve: unused,
      check: unused,
      detach: unused,
      removeMember: unused,
      demo: unused,
      ...program,
    };
    this.#env = env;
  }

  run(...args: string[]): Promise<number> {
    return runCli(args, {
      stdout: sink((text) => {
        this.stdout += text;
      }),
      stderr: sink((text) => {
        this.stderr += text;
      }),
      env: this.#env,
      signals: this.signals,
      exit: (status) => this.exits.push(status),
      loadProgram: () => Promise.resolve(this.#program),
    });
  }

  json(): Record<string, unknown> {
    return JSON.parse(this.stdout) as Record<string, unknown>;
  }
}

function sink(take: (text: string) => void): Writable {
  return new Writable({
    write: (chunk, _, done) => {
      take(String(chunk));
      done();
    },
  });
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
password: "pa55-word"
members:
  - { id: db1, url: "postgres://127.0.0.1:5432/orders" }
  - { id: db2, url: "postgres://127.0.0.1:5433/orders" }
listen: { postgres: "127.0.0.1:6432" }
state: .
`,
  );
  return { directory, file };
}
