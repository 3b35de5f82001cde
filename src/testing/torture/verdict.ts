/** Asks every checker, with the members at rest. */

import { pause, systemClock } from '../../base/index.ts';
import { compareMembers, describeDifferences } from '../checkers/compare-members.ts';
import type { Difference } from '../checkers/compare-members.ts';
import { readContents } from './contents.ts';
import type { MemberContents } from './contents.ts';
import { judgeAnswers, judgeLists, judgeMember } from './judge.ts';
import type { Conviction } from './judge.ts';
import { startBalance } from './schema.ts';
import type { StageMember } from './stage.ts';
import type { TortureHistory } from './torture-history.ts';

/** Sequences are equal a second after their last use; on a machine with other work it may take longer. */
const sequencesMs = 15_000;
const differencesShown = 5;

export interface Verdict {
  readonly convictions: readonly Conviction[];
  /** Rows, definitions and positions in which members differ. */
  readonly differences: number;
  /** Acknowledged operations that some member lacks. */
  readonly lost: number;
}

export async function judgeRound(
  members: readonly Pick<StageMember, 'id' | 'ask'>[],
  history: TortureHistory,
  listPrefix: string,
): Promise<Verdict> {
  const differences = await compareAtRest(members);
  const contents = await Promise.all(members.map(({ id, ask }) => readContents(id, ask, startBalance)));
  const [first] = contents;
  const convictions = [
    ...judgeAnswers(history),
    ...contents.flatMap((one) => judgeMember(history, one)),
    ...(first === undefined ? [] : judgeLists(history, listsOf(first, listPrefix))),
    ...(differences.length === 0
      ? []
      : [
          {
            by: 'members',
            what: `${differences.length} differences:\n${describeDifferences(differences.slice(0, differencesShown))}`,
          },
        ]),
  ];
  const missing = contents.map(({ keys }) => history.ledger.verify(keys).missing);
  if (first !== undefined) settleTables(history, first);
  return { convictions, differences: differences.length, lost: new Set(missing.flat()).size };
}

async function compareAtRest(
  members: readonly Pick<StageMember, 'id' | 'ask'>[],
): Promise<readonly Difference[]> {
  const asked = Object.fromEntries(members.map(({ id, ask }) => [id, ask]));
  const until = systemClock.monotonicMs() + sequencesMs;
  for (;;) {
    const differences = await compareMembers(asked);
    const onlySequences = differences.every(({ kind }) => kind === 'sequence');
    if (differences.length === 0 || !onlySequences || systemClock.monotonicMs() > until) return differences;
    await pause(systemClock, 250);
  }
}

function listsOf({ lists }: MemberContents, prefix: string): MemberContents['lists'] {
  return new Map([...lists].filter(([key]) => key.startsWith(prefix)));
}

/** What became of tables in doubt is seen now; from here on it is known. */
function settleTables({ tables }: TortureHistory, contents: MemberContents): void {
  for (const [name, fate] of tables)
    if (fate === 'unknown') tables.set(name, contents.tables.includes(name) ? 'there' : 'gone');
}
