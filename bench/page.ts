/** docs/reference/benchmarks.md, from the results of one run. */

import type { Results } from './results.ts';
import {
  cpuTable,
  equalityTable,
  memoryTable,
  pauseTable,
  profileTable,
  rateTable,
  ratioOf,
  syncTable,
  waitsTables,
  table,
  withSpread,
} from './tables.ts';
import { targets } from './targets.ts';
import type { CellResult } from './throughput.ts';
import { workloadNames, workloads } from './workloads.ts';

export function page(results: Results, notes: string): string {
  const sections = [
    heading(results),
    targetSection(results),
    ...clientsOf(results).map((clients) => ratioSection(results, clients)),
    section('Equal afterwards', equalityText, results.equality.length > 0 && equalityTable(results.equality)),
    section('Pauses', pauseText(results), results.pauses.length > 0 && pauseTable(results.pauses)),
    section('Synchronisation', syncText(results), (results.sync ?? []).length > 0 && syncTable(results.sync)),
    section(
      'Writing while members are brought level',
      waitsText,
      (results.waits?.waits ?? []).length > 0 && waitsTables(results.waits),
    ),
    section('Memory', memoryText, results.memory.length > 0 && memoryTable(results.memory)),
    section(
      'Processor time',
      cpuText,
      results.cells.length > 0 &&
        cpuTable(
          results.cells,
          systemsWithCpu(results.cells),
          ({ cpuMicrosecondsPerTransaction: cpu }) => cpu,
        ),
    ),
    section(
      'Processor time of the servers',
      'The same of all servers together.',
      results.cells.length > 0 &&
        cpuTable(
          results.cells,
          systemsOf(results.cells),
          ({ serversMicrosecondsPerTransaction: cpu }) => cpu,
        ),
    ),
    profileSection(results),
    section(
      'Transactions per second',
      'Medians, of this machine in that hour; only the ratios above travel.',
      results.cells.length > 0 && rateTable(results.cells, systemsOf(results.cells)),
    ),
    section('Not measured', '', results.failures.map((text) => `- ${text.split('\n')[0] ?? ''}`).join('\n')),
    notes.trim(),
    methodSection(results),
  ];
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

const equalityText = `After all rounds, from outside, with the members at rest: every definition, sequence and row.`;
const memoryText = `The highest seen while the clients run TPC-B, summed over the processes of the system.`;
const cpuText = `Of the process or processes in the middle, µs per transaction (user and system, all threads), starting clients included.`;

function pauseText({ pauses }: Results): string {
  const deadlineMs = pauses[0]?.hangDeadlineMs ?? 0;
  return `Eight clients, each sending one statement after the other (an autocommit update, then a read); three members, scale 1. A client that is
cut off connects again after 10 ms, and that counts as waiting. Each fault was made to happen anew for each of the figures in its line. Against hangs, Lockstep is set to \`deadlines.commitMs\` ${deadlineMs},
\`probe.intervalMs\` and \`probe.timeoutMs\` ${deadlineMs / 4}, \`probe.threshold\` 2; pgpool to \`health_check_period\` 1 and
\`health_check_timeout\` ${deadlineMs / 1000} (seconds, its smallest).`;
}

function syncText({ sync }: Results): string {
  const [first] = sync ?? [];
  return `A database of ${((first?.rows ?? 0) / 1e6).toFixed(1)} million rows (${Math.round((first?.bytes ?? 0) / 1e6)} MB without its indexes) is made on an empty server, or compared with its copy, on two
servers that nobody else uses. \`pg_dump -Fc -Z0 | pg_restore\` leaves out statistics and any proof that the result is equal; \`full\` ends with
ANALYZE and a comparison of the schemas. Rounds are interleaved; in brackets how far the ratio went in single rounds.`;
}

const waitsText = `Eight clients as for the pauses; three members, one of which is taken out and comes back, or all of which are compared. How long updates took
meanwhile, once for each round, beside the same load with as many members at work and nothing else going on. Everything shares the
processors, so that whatever is compared or copied takes from the clients too. Caught up is who applies faster than clients write.`;

function heading({ at, machine, versions }: Results): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const memory = Math.round(machine.memoryBytes / 2 ** 30);
  return `# Benchmarks

Written by \`npm run bench\`; do not edit it. Run of ${at.slice(0, 10)} on ${machine.processors} processors (${machine.model}) and ${memory} GiB for
everything: clients, the system in the middle, and all servers. ${programs.join(', ')}.

Every figure is a fraction of one direct PostgreSQL in the same cell (ratio of medians), unless it says otherwise; in brackets,
the lowest and highest ratio of single rounds.`;
}

function targetSection({ cells }: Results): string {
  const rows = targets.flatMap(({ system, workload, clients, against, atLeast }) => {
    const cell = findCell(cells, workload, clients);
    const ratio = ratioOf(cell, system, against);
    if (ratio === undefined) return [];
    const what = `${workloads[workload].title}, ${clients} clients`;
    const verdict = ratio >= atLeast ? 'reached' : 'not reached';
    return [[system, what, `≥ ${atLeast} × ${against}`, withSpread(cell, system, against), verdict]];
  });
  const head = ['system', 'workload', 'to reach', 'measured', ''];
  return section('Targets', '', rows.length > 0 && table(head, rows));
}

function ratioSection({ cells }: Results, clients: number): string {
  const columns = workloadNames.filter((name) => findCell(cells, name, clients));
  const here = columns.flatMap((name) => findCell(cells, name, clients) ?? []);
  const rows = systemsOf(here).map((system) => [
    system,
    ...columns.map((name) => withSpread(findCell(cells, name, clients), system, 'direct')),
  ]);
  const head = ['', ...columns.map((name) => workloads[name].title)];
  const failures = here.flatMap((cell) =>
    Object.entries(cell.missing).map(
      ([system, reason]) => `- ${system}, ${workloads[nameOf(cell)].title}: ${reason.split('\n')[0] ?? ''}`,
    ),
  );
  return section(
    `${clients} ${clients === 1 ? 'client' : 'clients'}`,
    '',
    [table(head, rows), failures.join('\n')].join('\n\n').trim(),
  );
}

function profileSection({ profiles }: Results): string {
  const tables = profiles.map((profile) => {
    const rate = Math.round(profile.measurement.transactionsPerSecond);
    const busy = Math.round(100 * profile.busy);
    return `### ${profile.system}, ${profile.workload}, ${profile.clients} clients: ${rate} transactions/s, main thread ${busy} % busy

${profileTable(profile, 25)}`;
  });
  const text = `V8’s sampling profile of the node: self time, as a share of the time in which its main thread was not idle. Then what the members
counted (\`pg_stat_statements\`, which slows them a little; a statement inside a function is in both lines).`;
  return section('Where the node’s time goes', text, tables.length > 0 && tables.join('\n\n'));
}

function methodSection({ rounds, seconds, scale, settings, minutes }: Results): string {
  const set = Object.entries(settings).map(([name, value]) => `\`${name} = ${value}\``);
  return `## Method

- Three PostgreSQL servers, durable (\`fsync\`, \`synchronous_commit\` and \`full_page_writes\` on), with the same settings: ${set.join(', ')}, the
  rest as they come. All systems use the same three server processes; each has databases of its own there (pgbench scale ${scale}),
  and only one is loaded at a time.
- pgbench over TCP on loopback, \`-j 2\`, built-in scripts: \`select-only\`, \`tpcb-like\`, \`simple-update\`, and for the mix
  \`select-only@9\` with \`simple-update@1\`. Connecting is not counted. pgbench's own vacuum is off (\`-n\`); between cells the two small
  tables are vacuumed and a checkpoint is made, for every system alike.
- ${rounds} rounds of ${seconds} s for each cell; a round measures every system once, in an order that moves on by one. One uncounted pass comes
  first. ${minutes.toFixed(0)} minutes in all.
- pgbouncer stands before one server. pgpool-II: \`native_replication\`, load balancing on, one process for each client. Lockstep:
  \`lockstep serve\` with its defaults. \`atonce\`: pgbench on each server at the same time, each doing all the work; the slowest counts.
- The raw results are kept in \`bench/results/\`. \`npm run bench -- --help\` lists the options for shorter and partial runs.`;
}

function section(title: string, text: string, content: string | false): string {
  if (content === false || content === '') return '';
  return [`## ${title}`, text, content].filter((part) => part !== '').join('\n\n');
}

function findCell(cells: readonly CellResult[], workload: string, clients: number): CellResult | undefined {
  return cells.find((cell) => cell.workload === workload && cell.clients === clients);
}

function nameOf(cell: CellResult): (typeof workloadNames)[number] {
  return workloadNames.find((name) => name === cell.workload) ?? 'select';
}

function clientsOf({ cells }: Results): readonly number[] {
  return [...new Set(cells.map(({ clients }) => clients))];
}

function systemsOf(cells: readonly CellResult[]): readonly string[] {
  return [...new Set(cells.flatMap(({ measurements }) => Object.keys(measurements)))];
}

function systemsWithCpu(cells: readonly CellResult[]): readonly string[] {
  return systemsOf(cells).filter((system) =>
    cells.some((cell) => cell.measurements[system]?.[0]?.cpuMicrosecondsPerTransaction !== undefined),
  );
}
