import { execFile } from 'node:child_process';
import { invariant } from '../../src/base/index.ts';
import { findPostgresTool } from '../../src/testing/index.ts';

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why a program cannot be used here, for `context.skip(…)`; undefined when it can. */
export function whyNoTool(name: string): string | undefined {
  return findPostgresTool(name) === undefined ? `${name} is not installed` : undefined;
}

/** Runs SQL, or psql's own commands, the way people do; the output is unaligned and without headings. */
export function psql(url: string, sql: string): Promise<ToolResult> {
  return runTool('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', url], sql);
}

export function pgbench(...words: readonly string[]): Promise<ToolResult> {
  return runTool('pgbench', words);
}

/** Runs one of PostgreSQL's programs as it is. */
export function runTool(name: string, words: readonly string[], input = ''): Promise<ToolResult> {
  const program = findPostgresTool(name);
  invariant(program !== undefined, `${name} is not installed; ask whyNoTool first`);
  return new Promise((resolve, reject) => {
    const child = execFile(program, words, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(error ?? new Error(`${name} was ended by a signal`));
    });
    child.stdin?.end(input);
  });
}
