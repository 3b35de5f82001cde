/** Holds what the clients were told against what a member holds. Pure: the evidence in, verdicts out. */

import { anomalyKinds, findAnomalies } from '../checkers/list-history.ts';
import type { MemberContents } from './contents.ts';
import { accountCount } from './schema.ts';
import type { TortureHistory } from './torture-history.ts';

export interface Conviction {
  /** The checker, as in DESIGN.md. */
  readonly by: string;
  readonly what: string;
}

/** What each kind of fault is shown of, at most; the rest is counted. */
const shownMax = 5;

export function judgeMember(history: TortureHistory, contents: MemberContents): readonly Conviction[] {
  return [
    ...judgeLedger(history, contents),
    ...judgeCopies(contents),
    ...judgeBank(contents),
    ...judgeCounters(history, contents),
    ...judgeTables(history, contents),
  ];
}

/** What clients saw of each other, against the lists as one member holds them: `judgeMember` and the comparison see to the rest. */
export function judgeLists(
  { lists, mayVanishUpTo }: TortureHistory,
  end: MemberContents['lists'],
): readonly Conviction[] {
  const anomalies = findAnomalies({ transactions: lists, end, mayVanishUpTo });
  return anomalies.map(({ kind, what }) => ({
    by: 'lists',
    what: `${kind}: ${what} (${anomalyKinds[kind]})`,
  }));
}

/** What needs no member's contents. */
export function judgeAnswers({ tickets, sightings, hangs }: TortureHistory): readonly Conviction[] {
  const givenTo = new Map<string, string>();
  const twice = tickets.flatMap(({ value, session }) => {
    const before = givenTo.get(value);
    givenTo.set(value, session);
    return before === undefined ? [] : [`${value} was given to ${before} and to ${session}`];
  });
  return [
    ...some('sequences', twice),
    ...some('answers', hangs),
    // A sum that is not the sum, a counter that went back, an error that nothing explains.
    ...some('answers', sightings),
  ];
}

function judgeLedger({ ledger }: TortureHistory, { id, keys }: MemberContents): readonly Conviction[] {
  const { missing, invented, repeated } = ledger.verify(keys);
  return [
    ...some(
      'ledger',
      missing.map((key) => `${id} lacks ${key}, which was acknowledged`),
    ),
    ...some(
      'ledger',
      invented.map((key) => `${id} has ${key}, of which nothing was to happen`),
    ),
    ...some(
      'ledger',
      repeated.map((key) => `${id} has ${key} more than once`),
    ),
  ];
}

function judgeCopies({ id, copies }: MemberContents): readonly Conviction[] {
  const torn = copies.filter(({ found, lines }) => found !== lines);
  return some(
    'copies',
    torn.map(({ key, found, lines }) => `${id} has ${found} of the ${lines} lines of ${key}`),
  );
}

function judgeBank({ id, accounts }: MemberContents): readonly Conviction[] {
  const odd = accounts.filter(({ balance, byTransfers }) => balance !== byTransfers);
  return [
    ...some('bank', accounts.length === accountCount ? [] : [`${id} has ${accounts.length} accounts`]),
    ...some(
      'bank',
      odd.map(
        (one) => `${id}: account ${one.id} has ${one.balance}, and by its transfers ${one.byTransfers}`,
      ),
    ),
  ];
}

function judgeCounters(
  { increments }: TortureHistory,
  { id, counters }: MemberContents,
): readonly Conviction[] {
  const wrong = [...increments].flatMap(([counter, { known, unknown }]) => {
    const value = counters.get(counter);
    return value !== undefined && value >= known && value <= known + unknown
      ? []
      : [`${id}: counter ${counter} is ${value}, after ${known} increments and perhaps ${unknown} more`];
  });
  return some('counters', wrong);
}

function judgeTables({ tables }: TortureHistory, contents: MemberContents): readonly Conviction[] {
  const { id } = contents;
  const wrong = [...tables].flatMap(([name, fate]) => {
    const there = contents.tables.includes(name);
    if (fate === 'there' && !there) return [`${id} lacks table ${name}, whose making was acknowledged`];
    return fate === 'gone' && there ? [`${id} has table ${name}, which is to be gone`] : [];
  });
  const strange = contents.tables.filter((name) => !tables.has(name));
  return some('tables', [...wrong, ...strange.map((name) => `${id} has table ${name}, which nobody made`)]);
}

function some(by: string, found: readonly string[]): readonly Conviction[] {
  const rest = found.length - shownMax;
  return found
    .slice(0, shownMax)
    .map((what, at) => ({ by, what: rest > 0 && at === shownMax - 1 ? `${what} (and ${rest} more)` : what }));
}
