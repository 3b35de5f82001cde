/** The tables of the page and the lines of the terminal. */

import type { EqualityResult } from './equality.ts';
import type { MemoryResult } from './memory.ts';
import type { PauseResult } from './pauses.ts';
import type { ProfileResult } from './profile.ts';
import { median, ratioSpread } from './statistics.ts';
import type { SyncResult } from './sync.ts';
import type { WaitResult, WaitsAndCatchUps } from './waits.ts';
import type { CellResult, Measurement } from './throughput.ts';

const mib = 2 ** 20;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Transactions per second in the middle round; undefined where there was none. */
function medianRate(cell: CellResult | undefined, system: string): number | undefined {
  const rates = ratesOf(cell, system);
  return rates.length === 0 ? undefined : median(rates);
}

export function ratioOf(cell: CellResult | undefined, system: string, against: string): number | undefined {
  const [one, other] = [medianRate(cell, system), medianRate(cell, against)];
  return one === undefined || other === undefined ? undefined : one / other;
}

function ratesOf(cell: CellResult | undefined, system: string): readonly number[] {
  return (cell?.measurements[system] ?? []).map(({ transactionsPerSecond }) => transactionsPerSecond);
}

function shown(ratio: number | undefined): string {
  return ratio === undefined ? '–' : ratio.toFixed(2);
}

/** `0.52 (0.49–0.55)`: the ratio of the medians, and how far the ratio went in single rounds. */
export function withSpread(cell: CellResult | undefined, system: string, against: string): string {
  const ratio = ratioOf(cell, system, against);
  if (ratio === undefined || system === against) return shown(ratio);
  const { min, max } = ratioSpread(ratesOf(cell, system), ratesOf(cell, against));
  return `${shown(ratio)} (${shown(min)}–${shown(max)})`;
}

/** One cell for the terminal. */
export function cellLine(cell: CellResult): string {
  const systems = Object.keys(cell.measurements);
  const words = systems.map((system) => {
    const rate = Math.round(medianRate(cell, system) ?? 0);
    const ratio = ratioOf(cell, system, 'direct');
    return `  ${system.padEnd(22)} ${String(rate).padStart(7)} tps  ${shown(ratio)}`;
  });
  const missing = Object.entries(cell.missing).map(
    ([system, reason]) => `  ${system.padEnd(22)} ${reason.slice(0, 600)}`,
  );
  return [`${cell.workload}, ${cell.clients} clients`, ...words, ...missing].join('\n');
}

export function cpuTable(
  cells: readonly CellResult[],
  systems: readonly string[],
  of: (measurement: Measurement) => number | undefined,
): string {
  const rows = cells.map((cell) => [
    `${cell.workload}, ${cell.clients}`,
    ...systems.map((system) => {
      const values = (cell.measurements[system] ?? []).flatMap((measurement) => of(measurement) ?? []);
      return values.length === 0 ? '–' : String(Math.round(median(values)));
    }),
  ]);
  return table(['workload, clients', ...systems], rows);
}

export function rateTable(cells: readonly CellResult[], systems: readonly string[]): string {
  const rows = cells.map((cell) => [
    `${cell.workload}, ${cell.clients}`,
    ...systems.map((system) => {
      const rate = medianRate(cell, system);
      return rate === undefined ? '–' : String(Math.round(rate));
    }),
  ]);
  return table(['workload, clients', ...systems], rows);
}

export function memoryTable(results: readonly MemoryResult[]): string {
  return table(
    ['system', 'clients', 'processes', 'resident, MiB', 'shared pages divided, MiB'],
    results.map(({ system, clients, processes, rss, pss }) =>
      [
        system,
        clients === 0 ? 'none yet' : clients,
        processes,
        Math.round(rss / mib),
        Math.round(pss / mib),
      ].map(String),
    ),
  );
}

/** Against the first of them. */
export function syncTable(results: readonly SyncResult[]): string {
  const [first] = results;
  return table(
    ['', 'seconds', 'rows/s', 'MB/s', 'time against the first', 'the node grew by, MiB'],
    results.map(({ way, seconds, rows, bytes, grownBytes }) => {
      const middle = median(seconds);
      const { min, max } = ratioSpread(seconds, first?.seconds ?? []);
      return [
        way,
        middle.toFixed(1),
        String(Math.round(rows / middle)),
        (bytes / middle / 1e6).toFixed(1),
        `${shown(middle / median(first?.seconds ?? []))} (${shown(min)}–${shown(max)})`,
        String(Math.round(grownBytes / mib)),
      ];
    }),
  );
}

/** Waits with what they are held against, and how fast members caught up. */
export function waitsTables({ waits, catchUps }: WaitsAndCatchUps): string {
  const each = (values: readonly number[], digits = 0): string =>
    values.map((value) => value.toFixed(digits)).join(', ');
  const added = ({ against, p99Ms, longestMs }: WaitResult): readonly string[] => {
    const quiet = waits.find(({ during }) => during === against);
    if (quiet === undefined) return ['', ''];
    return [
      (median(p99Ms) - median(quiet.p99Ms)).toFixed(1),
      (Math.max(...longestMs) - Math.max(...quiet.longestMs)).toFixed(0),
    ];
  };
  return [
    table(
      ['meanwhile', 'writes/s', 'p99, ms', 'longest, ms', 'p99 added, ms', 'longest added, ms'],
      waits.map((one) => [
        one.during,
        each(one.writesPerSecond),
        each(one.p99Ms, 1),
        each(one.longestMs),
        ...added(one),
      ]),
    ),
    table(
      ['commits replayed', 'made in a second', 'applied in a second', 'ratio'],
      catchUps.map(({ backlog, madePerSecond, appliedPerSecond }) => [
        String(backlog),
        madePerSecond.toFixed(0),
        appliedPerSecond.toFixed(0),
        shown(appliedPerSecond / madePerSecond),
      ]),
    ),
  ].join('\n\n');
}

/** One line for each fault, with the figures of every time it was made to happen. */
export function pauseTable(results: readonly PauseResult[]): string {
  const groups = new Map<string, PauseResult[]>();
  for (const one of results) {
    const name = `${one.system} | ${one.fault}`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const each = (turns: readonly PauseResult[], of: (one: PauseResult) => number): string =>
    turns.map((one) => Math.round(of(one))).join(', ');
  return table(
    [
      'system',
      'fault',
      'longest wait of a client, ms',
      'before the fault, ms',
      'nobody answered, ms',
      'errors',
    ],
    [...groups].map(([name, turns]) => [
      name,
      each(turns, ({ longestMs }) => longestMs),
      each(turns, ({ longestBeforeMs }) => longestBeforeMs),
      each(turns, ({ silenceMs }) => silenceMs),
      errorText(turns),
    ]),
  );
}

function errorText(turns: readonly PauseResult[]): string {
  const counts: Record<string, number> = {};
  for (const [code, count] of turns.flatMap(({ errors }) => Object.entries(errors))) {
    counts[code] = (counts[code] ?? 0) + count;
  }
  const words = Object.entries(counts).map(([code, count]) => `${count} × ${code}`);
  return words.join(', ') || 'none';
}

export function equalityTable(results: readonly EqualityResult[]): string {
  return table(
    ['system', 'members', 'rows in pgbench_history', 'differences'],
    results.map(({ system, members, transactions, differences }) =>
      [system, members, transactions, differences].map(String),
    ),
  );
}

export function profileTable(profile: ProfileResult, count: number): string {
  const line = ({
    name,
    share,
    microsecondsPerTransaction,
  }: ProfileResult['functions'][number]): string[] => [
    `\`${name}\``,
    `${(100 * share).toFixed(1)} %`,
    microsecondsPerTransaction.toFixed(1),
  ];
  const head = ['share', 'µs per transaction'];
  return [
    table(['file', ...head], profile.files.slice(0, count >> 1).map(line)),
    table(['function', ...head], profile.functions.slice(0, count).map(line)),
    table(
      ['member', 'statement', 'calls per transaction', 'µs per call', 'µs per transaction'],
      profile.statements.map((one) => [
        one.member,
        `\`${one.sql.replaceAll(/[`|]/g, ' ')}\``,
        one.callsPerTransaction.toFixed(2),
        one.meanMicroseconds.toFixed(0),
        one.microsecondsPerTransaction.toFixed(0),
      ]),
    ),
  ].join('\n\n');
}
