/** What is found on a member that answers: its own report, and its log beside the cluster's. */

import { withDeadline } from '../../base/index.ts';
import type { Member, MemberReport } from '../../dialects/contract.ts';
import { MemberError } from '../../dialects/contract.ts';
import { windowCsns } from '../recovery/fill-gaps.ts';
import { refuseForeign } from './choose-strategy.ts';
import type { Findings } from './choose-strategy.ts';
import { isActive, SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';

/**
 * Before it is looked at closely, it is made sure that nobody changes it any more: neither what this node has left there, nor
 * a node of an older term.
 */
export async function look(parts: SyncParts, member: Member, onAnswer: () => void): Promise<Findings> {
  const { membership, settings, order, roster } = parts;
  const first = await report(parts, member);
  const grave = first.dangers.find((danger) => danger.grave);
  if (grave !== undefined)
    throw new SyncFailure('refused', grave.text, 'Put the setting right; it is tried again by itself.');
  onAnswer();
  const found: Findings = {
    clusterId: settings.clusterId,
    memberId: member.id,
    report: first,
    wholeUpToCsn: membership.entry(member.id)?.wholeUpToCsn ?? 0,
    differs: membership.entry(member.id)?.differs === true,
    theirs: [],
    ours: [],
    cluster: { term: membership.term, baseCsn: 0, upToCsn: order.dispatched },
    windowCsns,
  };
  if (first.marks === undefined || refuseForeign(found) !== undefined) return found;
  await answered(member.shutOut());
  if (first.term < membership.term) await answered(member.raiseTerm(membership.term));
  const settled = await report(parts, member);

  await parts.gate.passed();
  const source = roster.member(parts.primaryId());
  const upToCsn = order.dispatched;
  const { lastCsn } = settled;
  const from = Math.max(0, lastCsn - windowCsns);
  const theirs = await answered(member.log.list(from));
  try {
    const ours = await source.log.list(from, Math.min(lastCsn, upToCsn));
    const { marks } = await source.inspect();
    if (!isActive(membership, source))
      throw new MemberError(source.id, 'gone', `member ${source.id} was taken out`);
    return {
      ...found,
      report: settled,
      theirs,
      ours,
      cluster: { ...found.cluster, upToCsn, baseCsn: marks?.baseCsn ?? 0 },
    };
  } catch (error) {
    throw error instanceof MemberError ? new SyncFailure('source', error.message) : error;
  }
}

async function report({ world, settings }: SyncParts, member: Member): Promise<MemberReport> {
  const { commitMs: timeoutMs } = settings;
  const asked = withDeadline(world.clock, timeoutMs, member.inspect(), () => {
    return new MemberError(member.id, 'gone', `member ${member.id} has not answered within ${timeoutMs} ms`);
  });
  return await answered(asked);
}

async function answered<T>(question: Promise<T>): Promise<T> {
  try {
    return await question;
  } catch (error) {
    if (!(error instanceof MemberError)) throw error;
    throw new SyncFailure(error.blame === 'gone' ? 'unreachable' : 'failed', error.message, '', error);
  }
}
