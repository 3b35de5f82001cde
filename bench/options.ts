/** What is measured, and for how long: the words after `npm run bench --`. */

import { parseArgs } from 'node:util';
import { systemNames } from './systems/index.ts';
import type { SystemName } from './systems/index.ts';
import { workloadNames } from './workloads.ts';
import type { WorkloadName } from './workloads.ts';

export interface BenchOptions {
  readonly systems: readonly SystemName[];
  readonly workloads: readonly WorkloadName[];
  readonly clients: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly scale: number;
  readonly parts: ReadonlySet<Part>;
  /** The program under test; another checkout's can be given. */
  readonly program: string;
  /** What it is compared with, as the systems before2 and before3. */
  readonly before: string | undefined;
  /** Where the servers live; a temporary directory when not given. */
  readonly dir: string | undefined;
  /** Write docs/reference/benchmarks.md. */
  readonly writePage: boolean;
  /** Write the page from this file of results, and measure nothing. */
  readonly fromResults: string | undefined;
}

/** `throughput` ends with the comparison of the members. */
const parts = ['throughput', 'memory', 'pauses', 'sync', 'profile'] as const;
export type Part = (typeof parts)[number];

export const help = `npm run bench -- [options]

Without options everything is measured and docs/reference/benchmarks.md is written. With any, the results are shown,
and the page is written only with --write.

  --systems a,b       of ${systemNames.join(', ')}
  --workloads a,b     of ${workloadNames.join(', ')}
  --clients 1,8,32
  --rounds 7          how often each system is measured in each cell
  --seconds 4         length of one measurement
  --warm-up 1         seconds before the first round of a cell, not counted
  --scale 10          of pgbench's tables
  --parts a,b         of ${parts.join(', ')}; default with other options: throughput
  --full              everything, as without options, but for what the other options change
  --quick             8 clients, 3 rounds of 2 seconds, unless said otherwise
  --profile           --parts profile
  --program <path>    the lockstep.js under test
  --before <path>     another one, measured beside it as before2 and before3
  --dir <path>        keeps the servers there, so that the next run starts sooner
  --write             write the page
  --from <json>       write the page from earlier results (bench/results/) and measure nothing
`;

export function parseOptions(words: readonly string[], program: string): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...words],
    options: {
      systems: { type: 'string' },
      workloads: { type: 'string' },
      clients: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string', default: '1' },
      scale: { type: 'string', default: '10' },
      parts: { type: 'string' },
      full: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      program: { type: 'string', default: program },
      before: { type: 'string' },
      dir: { type: 'string' },
      write: { type: 'boolean', default: false },
      from: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { quick } = values;
  const everything = words.length === 0 || values.full;
  const usualParts = values.profile ? 'profile' : everything ? parts.join() : 'throughput';
  return {
    systems: choose('--systems', values.systems, systemNames).filter(
      (name) => values.systems !== undefined || values.before !== undefined || !name.startsWith('before'),
    ),
    workloads: choose('--workloads', values.workloads, workloadNames),
    clients: (values.clients ?? (quick ? '8' : '1,8,32')).split(',').map((word) => count('--clients', word)),
    rounds: count('--rounds', values.rounds ?? (quick ? '3' : '7')),
    seconds: count('--seconds', values.seconds ?? (quick ? '2' : '4')),
    warmUpSeconds: count('--warm-up', values['warm-up']),
    scale: count('--scale', values.scale),
    parts: new Set(choose('--parts', values.parts ?? usualParts, parts)),
    program: values.program,
    before: values.before,
    dir: values.dir,
    writePage: everything || values.write,
    fromResults: values.from,
  };
}

function choose<T extends string>(
  option: string,
  given: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (given === undefined) return all;
  const words = given.split(',');
  const unknown = words.find((word) => !all.some((one) => one === word));
  if (unknown !== undefined) throw new Error(`${option}: ${unknown} is none of ${all.join(', ')}`);
  return all.filter((one) => words.includes(one));
}

function count(option: string, word: string): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${option}: ${word} is not a whole number from 1 up`);
  return value;
}
