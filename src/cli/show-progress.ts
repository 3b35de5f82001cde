/** How far long work is, in one line. */
import type { SyncStatus, WorkProgress } from '../admin/index.ts';
import { bytesText, countText } from './byte-size.ts';
import { duration } from './show-status.ts';

const BAR_WIDTH = 20;
const BLOCKS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

export const PHASES: Readonly<Record<WorkProgress['phase'], string>> = {
  choose: 'looking',
  snapshot: 'opening snapshots',
  schema: 'schema',
  compare: 'comparing',
  copy: 'copying',
  repair: 'repairing',
  conclude: 'concluding',
  indexes: 'making indexes',
  'catch-up': 'catching up',
  join: 'joining',
};

/** `comparing  [███▌      ]  42%  public.orders  1.2M of 2.9M rows  34.1 MB/s  1m 12s left` */
export function progressLine(progress: WorkProgress): string {
  const done = doneFraction(progress);
  return [
    PHASES[progress.phase],
    ...(done === undefined ? [] : [`${bar(done)} ${String(Math.floor(done * 100)).padStart(3)}%`]),
    ...progressWords(progress),
  ].join('  ');
}

/** The same for a line that stays: no bar. */
export function progressSentence(progress: WorkProgress): string {
  const done = doneFraction(progress);
  const percent = done === undefined ? [] : [`${Math.floor(done * 100)}%`];
  return [PHASES[progress.phase], ...percent, ...progressWords(progress)].join(', ');
}

function progressWords(progress: WorkProgress): readonly string[] {
  const {
    table,
    ofTable,
    rowsDone,
    rowsTotal,
    tablesDone,
    tablesTotal,
    bytesDone,
    bytesPerSecond,
    leftMs,
    lagCsn,
  } = progress;
  if (lagCsn !== null) return [`${countText(lagCsn)} commits behind`, ...left(leftMs)];
  return [
    ...(table === null ? [] : [tablesTotal > 1 ? tableWords(table, ofTable) : table]),
    ...(tablesTotal > 1 ? [`table ${Math.min(tablesDone + 1, tablesTotal)} of ${tablesTotal}`] : []),
    ...(rowsDone === 0 && rowsTotal === 0
      ? []
      : [
          `${countText(rowsDone)}${rowsTotal > 0 ? ` of ${countText(Math.max(rowsDone, rowsTotal))}` : ''} rows`,
        ]),
    ...(bytesDone === 0 ? [] : [bytesText(bytesDone)]),
    ...(bytesPerSecond === 0 ? [] : [`${bytesText(bytesPerSecond)}/s`]),
    ...left(leftMs),
  ];
}

/** Beside what is said of all tables. */
function tableWords(table: string, ofTable: WorkProgress['ofTable']): string {
  if (ofTable === null || ofTable.rowsTotal === 0) return table;
  const { rowsDone, rowsTotal, leftMs } = ofTable;
  const percent = `${Math.floor(Math.min(rowsDone / rowsTotal, 0.99) * 100)}%`;
  return `${table} (${[percent, ...left(leftMs)].join(', ')})`;
}

function left(leftMs: number | null): readonly string[] {
  return leftMs === null ? [] : [`${duration(Math.max(1000, leftMs))} left`];
}

/** Rows are not what they work at. */
const ROWLESS: readonly WorkProgress['phase'][] = [
  'choose',
  'snapshot',
  'schema',
  'indexes',
  'conclude',
  'join',
];

function doneFraction({ phase, rowsDone, rowsTotal, lagCsn }: WorkProgress): number | undefined {
  // Totals are estimates: what is under way is not said to be done.
  return rowsTotal === 0 || lagCsn !== null || ROWLESS.includes(phase)
    ? undefined
    : Math.min(rowsDone / rowsTotal, 0.99);
}

function bar(fraction: number): string {
  const eighths = Math.floor(fraction * BAR_WIDTH * 8);
  const text = '█'.repeat(Math.floor(eighths / 8)) + (BLOCKS[eighths % 8] ?? '');
  return `[${text.padEnd(BAR_WIDTH)}]`;
}

/** What is done for a member, and why. `now` is in milliseconds since 1970. */
export function syncHeadline(member: string, sync: SyncStatus, now: number): string {
  const from = sync.source === null ? '' : ` from ${sync.source}`;
  const what = `${sync.strategy ?? 'sync'}${from}${sync.dryRun ? ', dry run' : ''}`;
  const attempt = sync.attempt > 1 ? `, attempt ${sync.attempt}` : '';
  if (sync.state === 'running') return `${member}: ${what}${attempt}`;
  const at = sync.nextRetryAt === null ? undefined : Date.parse(sync.nextRetryAt) - now;
  const next =
    at === undefined
      ? 'waits'
      : at <= 0
        ? 'is tried now'
        : `is tried again in ${duration(Math.max(1000, at))}`;
  const why = sync.reason === null ? '' : `: ${sync.reason}`;
  return `${member}: ${sync.quarantined ? 'in quarantine, ' : ''}${next} (attempt ${sync.attempt})${why}`;
}
