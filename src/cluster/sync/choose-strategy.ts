/**
 * How a member comes level, from what is found on it. Pure: facts in, strategy and reason out. See DESIGN.md, "Strategies".
 */

import type { LoggedPlace, LoggedRun, MemberReport } from '../../dialects/contract.ts';
import { alongside, placesOf } from '../../dialects/logged-runs.ts';
import type { SchemaVerdict, Unlikeness } from '../../dialects/sync-contract.ts';

export type Strategy = 'replay' | 'diff' | 'full' | 'passive';

export interface Findings {
  readonly clusterId: string;
  readonly memberId: string;
  readonly report: MemberReport;
  /** What the state remembers of it. */
  readonly wholeUpToCsn: number;
  readonly differs: boolean;
  /** Both logs above the same CSN, as far as the member's reaches. */
  readonly theirs: readonly LoggedRun[];
  readonly ours: readonly LoggedRun[];
  readonly cluster: { readonly term: number; readonly baseCsn: number; readonly upToCsn: number };
  /** How far below the end of a log a commit can be missing at most. */
  readonly windowCsns: number;
}

export type LogChoice =
  /** `gaps`: what it lacks in the midst of what it has. */
  | {
      readonly kind: 'replay';
      readonly reason: string;
      readonly afterCsn: number;
      readonly gaps: readonly LoggedPlace[];
    }
  /** Its rows have to be compared or copied. `owned`: it was part of this cluster, so that its data may be changed. */
  | { readonly kind: 'data'; readonly reason: string; readonly owned: boolean }
  | Refusal;

export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
  readonly hint: string;
}

export function chooseByLog(found: Findings): LogChoice {
  const { report, cluster } = found;
  const { marks, lastCsn } = report;
  if (marks === undefined)
    return { kind: 'data', owned: false, reason: 'it has never been part of the cluster' };
  const foreign = refuseForeign(found);
  if (foreign !== undefined) return foreign;
  const data = (reason: string): LogChoice => ({ kind: 'data', owned: true, reason });
  // Of the mark its strategy alone: this reason goes into the next mark, and would hold all earlier ones.
  if (marks.incomplete !== null)
    return data(`its last synchronisation did not finish (${marks.incomplete.split(':')[0]})`);
  if (found.differs) return data('its rows were found to differ');
  if (marks.writtenAround) return data('it was written to around Lockstep');
  if (report.unlogged) return data('it has unlogged tables, which a crash empties');
  if (lastCsn > cluster.upToCsn)
    return data(
      `its log ends at CSN ${lastCsn}, behind the cluster's end at ${cluster.upToCsn}: it has commits that the cluster does not have`,
    );
  const wholeUpToCsn = withoutHolesUpTo(found, marks.baseCsn);
  if (cluster.baseCsn > wholeUpToCsn)
    return data(`its log ends at CSN ${lastCsn}, the cluster's begins at ${cluster.baseCsn}`);
  return compareLogs(found, { baseCsn: marks.baseCsn, wholeUpToCsn });
}

/** Another cluster's member, or one that calls itself something else, is never touched. */
export function refuseForeign({ clusterId, memberId, report, cluster }: Findings): Refusal | undefined {
  const { marks, term } = report;
  if (marks === undefined) return undefined;
  if (marks.clusterId !== clusterId) {
    return refused(
      `it belongs to the cluster ${marks.clusterId}`,
      'Check its url. To free a database from another cluster: lockstep detach, with that cluster’s configuration.',
    );
  }
  if (marks.memberId !== memberId) {
    return refused(
      `it calls itself ${marks.memberId}`,
      'Check its url: it may point to another member, or to a copy of one. A copy is freed by: lockstep detach.',
    );
  }
  if (term > cluster.term) {
    return refused(
      `it has seen term ${term}, this node has term ${cluster.term}`,
      'Another node has served this cluster with it. Find out which one is right before anything else.',
    );
  }
  return undefined;
}

/**
 * Up to here it lacks nothing. A log that does not reach what it had reached when the member was left out was put back to an older
 * state: the member may have been the primary then, with holes near the end.
 */
function withoutHolesUpTo({ report, wholeUpToCsn, windowCsns }: Findings, baseCsn: number): number {
  const { lastCsn } = report;
  const known = lastCsn < wholeUpToCsn ? 0 : wholeUpToCsn;
  return Math.min(lastCsn, Math.max(baseCsn, known, lastCsn - windowCsns));
}

function compareLogs(
  { report, ours, theirs, cluster }: Findings,
  { baseCsn, wholeUpToCsn }: { baseCsn: number; wholeUpToCsn: number },
): LogChoice {
  const { lastCsn } = report;
  const lacking: LoggedRun[] = [];
  for (const { fromCsn, toCsn, one: their, other: our } of alongside(theirs, ours)) {
    if (their === undefined) {
      const from = Math.max(fromCsn, baseCsn + 1);
      const to = Math.min(toCsn, lastCsn);
      if (our !== undefined && from <= to) lacking.push({ ...our, fromCsn: from, toCsn: to });
      continue;
    }
    if (toCsn <= cluster.baseCsn) continue;
    // A dead place and one that was never used are the same to everybody.
    if (our === undefined ? their.dead : our.term === their.term && our.dead === their.dead) continue;
    const reason = `its log has CSN ${Math.max(fromCsn, cluster.baseCsn + 1)} of term ${their.term}, which the cluster does not have`;
    return { kind: 'data', owned: true, reason };
  }
  const gaps = placesOf(lacking);
  const odd = gaps.find(({ csn, dead }) => csn <= wholeUpToCsn && !dead);
  if (odd !== undefined)
    return { kind: 'data', owned: true, reason: `its log lacks CSN ${odd.csn}, although it has later ones` };
  const reason =
    lastCsn === cluster.upToCsn
      ? `its log ends where the cluster's ends, at CSN ${lastCsn}`
      : `it missed ${missed(cluster.upToCsn - lastCsn)}: its log ends at CSN ${lastCsn}, the cluster's at ${cluster.upToCsn}`;
  return { kind: 'replay', reason, afterCsn: lastCsn, gaps };
}

function missed(commits: number): string {
  return commits === 1 ? 'a commit' : `${commits} commits`;
}

export interface DataFindings {
  /** What cannot be made equal in a database that is there. */
  readonly unlike: Unlikeness | undefined;
  readonly schema: SchemaVerdict;
  readonly owned: boolean;
  /** Why replaying was not enough. */
  readonly reason: string;
  /** An operator's word. */
  readonly asked: Strategy | undefined;
  /** Comparing has been tried, and has failed by what it met. */
  readonly copy?: boolean;
}

export type DataChoice = { readonly kind: 'diff' | 'full'; readonly reason: string } | Refusal;

/** Comparing or copying. What was never part of the cluster is changed on an operator's word only. */
export function chooseBySchema({ unlike, schema, owned, reason, asked, copy }: DataFindings): DataChoice {
  if (unlike !== undefined && (asked === undefined || !unlike.bearable)) return refuseUnlike(unlike);
  if (schema.kind === 'empty') return { kind: 'full', reason: `${reason}, and it is empty` };
  if (asked === 'full') return { kind: 'full', reason: 'an operator asked for it' };
  if (!owned && asked !== 'diff') {
    return refused(
      `${reason}, and it has data of its own`,
      'If its data may be replaced: lockstep sync with --strategy diff (keeps what is equal) or full.',
    );
  }
  if (copy === true && owned && asked === undefined)
    return { kind: 'full', reason: `comparing was not enough: ${reason}` };
  if (schema.kind === 'equal') return { kind: 'diff', reason };
  const { differences } = schema;
  const shown = `${differences.slice(0, 3).join('; ')}${differences.length > 3 ? `; and ${differences.length - 3} more` : ''}`;
  if (asked === 'diff')
    return refused(
      `its schema differs: ${shown}`,
      'To replace its schema and all its data: lockstep sync with --strategy full.',
    );
  return { kind: 'full', reason: `${reason}, and its schema differs: ${shown}` };
}

/** Text would sort and compare differently, or not be the same at all. */
export function refuseUnlike({ reason, cure, bearable }: Unlikeness): Refusal {
  const hint = `Make its database anew, and empty; it is then copied: ${cure}`;
  const word =
    'If answers may be sorted in another order on this member: lockstep sync with --strategy diff or full.';
  return refused(reason, bearable ? `${hint}. ${word}` : hint);
}

function refused(reason: string, hint: string): Refusal {
  return { kind: 'refused', reason, hint };
}
