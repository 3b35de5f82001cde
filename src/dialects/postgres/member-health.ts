/** How a member that takes part is doing, looked at without changing anything: what grows, and what holds others up. */

import type { InternalConnection } from './internal-connection.ts';
import type { CheckItem, Verdict } from './preflight-check.ts';
import { ok, some, warn } from './preflight-check.ts';

export interface HealthOptions {
  /** What the configuration lets the commit log grow to. */
  readonly retentionBytes: number;
  /** This machine's. */
  readonly wallTime: () => Date;
}

/** A difference between two clocks that is worth a word: times in logs do not fit together any more. */
const clockMsMax = 2000;
const longTransactionMinutes = 15;
/** The server stops at 2 billion. */
const transactionAgeMax = 1_500_000_000;

type Rows = (sql: string) => Promise<(string | null)[][]>;

/** Rejects only when the connection is lost. */
export async function memberHealth(
  connection: InternalConnection,
  options: HealthOptions,
): Promise<readonly CheckItem[]> {
  const rows: Rows = (sql) => connection.rows(`SET LOCAL search_path = pg_catalog; ${sql}`);
  return [
    { name: 'clock', ...(await clock(rows, options.wallTime)) },
    { name: 'long transactions', ...(await longTransactions(rows)) },
    { name: 'commit log', ...(await commitLog(rows, options.retentionBytes)) },
    { name: 'transaction ids', ...(await transactionIds(rows)) },
  ];
}

async function clock(rows: Rows, wallTime: () => Date): Promise<Verdict> {
  const before = wallTime().getTime();
  const [[theirs] = []] = await rows('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint');
  const after = wallTime().getTime();
  const apart = Math.round(Number(theirs) - (before + after) / 2);
  const found = `${Math.abs(apart)} ms ${apart < 0 ? 'behind' : 'ahead of'} this machine`;
  // Half of the way there and back belongs to neither.
  if (Math.abs(apart) <= clockMsMax + (after - before) / 2) return ok(found);
  return warn(found, 'set both clocks by the same time server (NTP)');
}

async function longTransactions(rows: Rows): Promise<Verdict> {
  const found = await rows(
    `SELECT pid, coalesce(nullif(application_name, ''), 'no name'), state, (extract(epoch FROM now() - xact_start) / 60)::bigint
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
       AND xact_start < now() - interval '${longTransactionMinutes} minutes' ORDER BY xact_start`,
  );
  if (found.length === 0) return ok(`none over ${longTransactionMinutes} minutes`);
  const lines = found.map(
    ([pid, name, state, minutes]) => `process ${pid} (${name}, ${state}) for ${minutes} minutes`,
  );
  return warn(
    some(lines),
    `lockstep sessions shows clients; deadlines.idleInTransactionMs ends such by themselves; now: SELECT pg_terminate_backend(${found[0]?.[0]});`,
  );
}

async function commitLog(rows: Rows, retentionBytes: number): Promise<Verdict> {
  const [[count, bytes] = []] = await rows(
    `SELECT count(*), coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'lockstep' AND c.relkind = 'r' AND c.relname LIKE 'log%'`,
  );
  if (count === '0') return ok('none: it was never active');
  const found = `${mebibytes(Number(bytes))} of ${mebibytes(retentionBytes)} MiB`;
  // A segment is emptied as a whole, and not before every replica has what is in it.
  return Number(bytes) <= 2 * retentionBytes
    ? ok(found)
    : warn(found, 'it is emptied when every active member has all of it: see LAG in lockstep status');
}

async function transactionIds(rows: Rows): Promise<Verdict> {
  const [[age] = []] = await rows(
    'SELECT max(age(datfrozenxid)) FROM pg_database WHERE datname = current_database()',
  );
  const found = `${Math.round(Number(age) / 1e6)} million in use`;
  return Number(age) <= transactionAgeMax ? ok(found) : warn(found, 'VACUUM (FREEZE)');
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
