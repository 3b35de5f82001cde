/** Runs of commit records: what two logs hold is compared by runs, because almost all of it is the same. */

import type { LoggedPlace, LoggedRun } from './contract.ts';

/** Of places in ascending order. */
export function runsOf(places: readonly LoggedPlace[]): readonly LoggedRun[] {
  const runs: LoggedRun[] = [];
  for (const { csn, term, slot, dead } of places) {
    const last = runs.at(-1);
    if (last?.toCsn === csn - 1 && last.term === term && last.slot === slot && last.dead === dead)
      runs[runs.length - 1] = { ...last, toCsn: csn };
    else runs.push({ fromCsn: csn, toCsn: csn, term, slot, dead });
  }
  return runs;
}

export function placesOf(runs: readonly LoggedRun[]): readonly LoggedPlace[] {
  return runs.flatMap(({ fromCsn, toCsn, term, slot, dead }) =>
    Array.from({ length: toCsn - fromCsn + 1 }, (_, at) => ({ csn: fromCsn + at, term, slot, dead })),
  );
}

/** Part of the order in which each of two logs has one run, or nothing. */
export interface Stretch {
  readonly fromCsn: number;
  readonly toCsn: number;
  readonly one: LoggedRun | undefined;
  readonly other: LoggedRun | undefined;
}

/** Ascending, and without what neither has. */
export function* alongside(one: readonly LoggedRun[], other: readonly LoggedRun[]): Generator<Stretch> {
  let [i, j, at] = [0, 0, 0];
  for (;;) {
    const [left, right] = [one[i], other[j]];
    if (left === undefined && right === undefined) return;
    const fromCsn = Math.max(at, Math.min(left?.fromCsn ?? Infinity, right?.fromCsn ?? Infinity));
    const toCsn = Math.min(unchangedTo(left, fromCsn), unchangedTo(right, fromCsn));
    yield { fromCsn, toCsn, one: begun(left, fromCsn), other: begun(right, fromCsn) };
    at = toCsn + 1;
    if (left !== undefined && left.toCsn < at) i += 1;
    if (right !== undefined && right.toCsn < at) j += 1;
  }
}

function begun(run: LoggedRun | undefined, csn: number): LoggedRun | undefined {
  return run !== undefined && run.fromCsn <= csn ? run : undefined;
}

/** As far as the run goes on, or has not begun. */
function unchangedTo(run: LoggedRun | undefined, csn: number): number {
  if (run === undefined) return Infinity;
  return run.fromCsn <= csn ? run.toCsn : run.fromCsn - 1;
}
