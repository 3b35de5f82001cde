/** Runs pgbench against an address and reads what it says. */

import { execFile } from 'node:child_process';
import { findPostgresTool } from '../src/testing/index.ts';

export interface Address {
  readonly port: number;
  readonly database: string;
}

export interface PgbenchResult {
  readonly transactionsPerSecond: number;
  readonly latencyMs: number;
  readonly transactions: number;
}

export const user = 'bench';
const host = '127.0.0.1';

export async function pgbench(address: Address, words: readonly string[]): Promise<PgbenchResult> {
  // -n: no vacuum by pgbench, which would have every system do it in its own way, inside the run.
  const all = ['-h', host, '-p', String(address.port), '-U', user, '-n', ...words, address.database];
  const { stdout, stderr } = await runTool('pgbench', all);
  const tps = numberAfter(/^tps = ([\d.]+)/m, stdout);
  const failed = numberAfter(/number of failed transactions: (\d+)/, stdout) ?? 0;
  if (tps === undefined || failed > 0 || /abort/.test(stderr)) {
    throw new Error(`pgbench ${all.join(' ')}\n${stdout}\n${stderr.slice(0, 2000)}`);
  }
  return {
    transactionsPerSecond: tps,
    latencyMs: numberAfter(/^latency average = ([\d.]+)/m, stdout) ?? Number.NaN,
    transactions: numberAfter(/actually processed: (\d+)/, stdout) ?? 0,
  };
}

/** `pgbench -i`. */
export async function makeTables({ port, database }: Address, scale: number): Promise<void> {
  const words = ['-i', '-q', '-s', String(scale), '-h', host, '-p', String(port), '-U', user, database];
  const { stderr } = await runTool('pgbench', words);
  if (!/^done in/m.test(stderr)) throw new Error(`pgbench ${words.join(' ')}\n${stderr}`);
}

export async function toolVersion(name: string): Promise<string> {
  const { stdout } = await runTool(name, ['--version']);
  return /\d+[.\w]*/.exec(stdout)?.[0] ?? 'unknown';
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

function runTool(name: string, words: readonly string[]): Promise<Output> {
  const program = findPostgresTool(name);
  if (program === undefined)
    throw new Error(`${name} is not installed: apt-get install -y postgresql-contrib`);
  return new Promise((resolve, reject) => {
    execFile(program, words, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      // pgbench ends with status 2 when clients were cut off; what it says about that is worth more than the status.
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ stdout, stderr });
    });
  });
}

function numberAfter(pattern: RegExp, text: string): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
