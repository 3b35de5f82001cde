/**
 * After a crash the commit logs of the trusted members say who has what. A commit that one of them has and another lacks
 * may have been acknowledged or seen, so it is given to the others, in CSN order, before the first client is let in.
 */

import { LockstepError } from '../../base/index.ts';
import type { CommitRecord, LoggedPlace, Member, MemberError } from '../../dialects/contract.ts';
import { placesOf } from '../../dialects/logged-runs.ts';
import { isOfContent } from '../apply/refusal.ts';
import { asMemberError } from '../cluster-errors.ts';
import type { World } from '../world.ts';

/** How far below the lowest end of a log a commit can be missing: more than can ever be in flight at once. */
export const windowCsns = 20_000;

export interface Filled {
  /** Where all of them end, without those that refuse. */
  readonly lastCsn: number;
  /** What they are to be given is what they cannot take. */
  readonly refusing: ReadonlyMap<string, Refused>;
}

export interface Refused {
  readonly csn: number;
  readonly error: MemberError;
}

export async function fillGaps(
  members: readonly Member[],
  term: number,
  raise: World['raise'],
): Promise<Filled> {
  const reports = await Promise.all(members.map((member) => member.inspect()));
  const ends = reports.map(({ lastCsn }) => lastCsn);
  const after = Math.max(0, Math.min(...ends) - windowCsns);
  const logs = await Promise.all(members.map(async (member) => placesOf(await member.log.list(after))));
  const all = new Map<number, { record: LoggedPlace; from: Member }>();
  for (const [index, log] of logs.entries()) {
    for (const record of log) {
      const known = all.get(record.csn);
      if (known === undefined) all.set(record.csn, { record, from: members[index] as Member });
      else if (known.record.term !== record.term || known.record.dead !== record.dead)
        throw contradiction(known.from, members[index] as Member, record.csn);
    }
  }
  const order = [...all.keys()].sort((a, b) => a - b);
  const refusing = new Map<string, Refused>();
  for (const [index, member] of members.entries()) {
    const log = logs[index] as readonly LoggedPlace[];
    const has = new Set(log.map((record) => record.csn));
    // What its log does not reach down to it has without a record.
    const baseCsn = reports[index]?.marks?.baseCsn ?? 0;
    const missing = order.filter((csn) => csn > baseCsn && !has.has(csn));
    if (missing.length === 0) continue;
    const refused = await give(member, missing, all, term, raise);
    if (refused !== undefined) refusing.set(member.id, refused);
  }
  return { lastCsn: Math.max(0, ...ends), refusing };
}

async function give(
  member: Member,
  missing: readonly number[],
  all: ReadonlyMap<number, { record: LoggedPlace; from: Member }>,
  term: number,
  raise: World['raise'],
): Promise<Refused | undefined> {
  const link = await member.openApply(term);
  try {
    for (const csn of missing) {
      const known = all.get(csn);
      if (known === undefined) continue;
      const { record, from } = known;
      const writeSet = record.dead ? null : await from.log.read(csn);
      const full: CommitRecord = { csn, term: record.term, slot: record.slot, writeSet };
      try {
        await link.apply([full]);
      } catch (error) {
        if (!isOfContent(error)) throw error;
        return { csn, error: asMemberError(member.id, error) };
      } finally {
        writeSet?.release();
      }
    }
  } finally {
    link.close();
  }
  const first = missing[0] as number;
  const from = all.get(first)?.from.id ?? '';
  raise({
    type: 'recovery-filled',
    member: member.id,
    from,
    firstCsn: first,
    lastCsn: missing.at(-1) as number,
  });
  return undefined;
}

function contradiction(one: Member, other: Member, csn: number): LockstepError {
  return new LockstepError({
    code: 'cluster.logs-contradict',
    message: `members ${one.id} and ${other.id} have different commits with the number ${csn}: one of them was changed by somebody else`,
    hint: 'Name the member that is right: lockstep serve --trust <id>',
  });
}
