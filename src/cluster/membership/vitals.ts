/** Whether what a member says of itself is what it must be. Pure. */

import { MemberError } from '../../dialects/contract.ts';
import type { Vitals } from '../../dialects/contract.ts';

export interface Expected {
  readonly clusterId: string;
  readonly term: number;
  /** It had confirmed this commit before it was asked. */
  readonly atLeastCsn: number;
  /** No higher place had been given out when it had answered. */
  readonly atMostCsn: number;
}

/** Undefined: it is well. */
export function judgeVitals(memberId: string, found: Vitals, expected: Expected): MemberError | undefined {
  const unfit = (why: string): MemberError => new MemberError(memberId, 'unfit', `member ${memberId} ${why}`);
  const { clusterId, term, lastCsn, dangers } = found;
  if (clusterId !== expected.clusterId) return unfit(`belongs to the cluster ${clusterId}`);
  if (term > expected.term) {
    const why = `member ${memberId} has seen term ${term}: another Lockstep node has taken over`;
    return new MemberError(memberId, 'fenced', why);
  }
  if (term < expected.term)
    return unfit(`was put back to an older state: it is in term ${term}, and was in ${expected.term}`);
  if (lastCsn < expected.atLeastCsn)
    return unfit(
      `has lost commits that it had confirmed: its log ends at CSN ${lastCsn}, it was at ${expected.atLeastCsn}`,
    );
  if (lastCsn > expected.atMostCsn)
    return unfit(
      `has commits that nobody here made: its log ends at CSN ${lastCsn}, the cluster is at ${expected.atMostCsn}`,
    );
  const grave = dangers.find((danger) => danger.grave);
  return grave === undefined ? undefined : unfit(`must not take part: ${grave.text}`);
}
