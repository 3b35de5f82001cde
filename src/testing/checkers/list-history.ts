/**
 * Judges what transactions over lists saw against what an isolation level allows. Every append adds a value that nobody
 * else ever adds, to the end of a list; so the lists, as they are in the end, tell who wrote after whom, and each read
 * tells which writes were before it. The idea is that of Elle (Kingsbury, Alvaro 2020), the anomalies are Adya's.
 *
 * Levels may be mixed: a level promises its anomalies away for the transactions that asked for it, whatever the others
 * asked for. (SERIALIZABLE only among its own kind, as PostgreSQL has it.)
 */

import type { Outcome } from '../../base/index.ts';
import { describeCycle, findClosedBy, findCycle } from './dependency-cycles.ts';
import type { Dependency } from './dependency-cycles.ts';

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

export type ListStep =
  | { readonly kind: 'append'; readonly key: string; readonly value: string }
  | { readonly kind: 'read'; readonly key: string; readonly values: readonly string[]; readonly at: number };

export interface ListTransaction {
  /** One of its own. */
  readonly name: string;
  readonly session: string;
  readonly level: IsolationLevel;
  /** Moments: numbers that only grow, in one order for all sessions. A read's `at` is the moment before it was sent. */
  readonly startedAt: number;
  /** When its client had been told that it is committed. */
  readonly acknowledgedAt: number | undefined;
  readonly outcome: Outcome;
  readonly steps: readonly ListStep[];
}

export const anomalyKinds = {
  lost: 'an acknowledged append is not there',
  invented: 'a value is there, or was shown, that nobody wrote, or whose transaction failed (G1a)',
  repeated: 'a value is there more than once',
  torn: 'of one transaction some appends are there, and others are not',
  vanished: 'a value was shown that is not there in the end',
  reordered: 'a read shows a list that the list never was',
  intermediate: 'a read shows some appends of a transaction to a list, and not the later ones (G1b)',
  stale: 'a read misses what had been acknowledged before it was sent',
  backward: 'a session was shown less of a list than before',
  G1c: 'writes and reads run in a circle',
  'G-single':
    'a transaction at repeatable read missed a write, and depends on it (a torn snapshot, a lost update)',
  G2: 'serializable transactions have no serial order',
} as const satisfies Readonly<Record<string, string>>;
export type AnomalyKind = keyof typeof anomalyKinds;

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly what: string;
}

export interface ListHistory {
  readonly transactions: readonly ListTransaction[];
  /** Every list as it is when all is over. */
  readonly end: ReadonlyMap<string, readonly string[]>;
  /**
   * Up to this moment, what was shown and not yet acknowledged may be gone: node and primary were lost together.
   * Default: never.
   */
  readonly mayVanishUpTo?: number;
}

/** Every promise that the history breaks; none when it keeps them all. */
export function findAnomalies(history: ListHistory): readonly Anomaly[] {
  const { transactions, end } = history;
  const writers = new Map<string, ListTransaction>();
  for (const one of transactions)
    for (const step of one.steps) if (step.kind === 'append') writers.set(step.value, one);

  const found = [...judgeEnd(history, writers)];
  const lastShown = new Map<string, number>();
  const inOrder = transactions.toSorted((one, other) => one.startedAt - other.startedAt);
  for (const one of inOrder) found.push(...judgeReads(one, history, writers, lastShown));

  const committed = transactions.filter((one) => isCommitted(one, end));
  return [...found, ...judgeCycles(committed, end, writers)];
}

type Writers = ReadonlyMap<string, ListTransaction>;

function judgeEnd({ transactions, end }: ListHistory, writers: Writers): readonly Anomaly[] {
  const found: Anomaly[] = [];
  const there = new Set<string>();
  for (const [key, values] of end) {
    for (const value of values) {
      if (there.has(value)) found.push({ kind: 'repeated', what: `${value} is on ${key} again` });
      there.add(value);
      const writer = writers.get(value);
      if (writer === undefined || writer.outcome === 'none')
        found.push({
          kind: 'invented',
          what: `${value} is on ${key}, ${writer ? 'and its client was told that nothing happened' : 'and nobody wrote it'}`,
        });
    }
  }
  for (const { name, outcome, steps } of transactions) {
    const appends = steps.filter((step) => step.kind === 'append');
    const missing = appends.filter(({ value }) => !there.has(value));
    if (missing.length === 0) continue;
    const list = missing.map(({ key, value }) => `${value} on ${key}`).join(', ');
    if (outcome === 'done') found.push({ kind: 'lost', what: `${name} was acknowledged, and lacks ${list}` });
    else if (missing.length < appends.length)
      found.push({ kind: 'torn', what: `${name} is there without ${list}` });
  }
  return found;
}

/** What each read shows by itself, and next to what its session had been shown before. */
function judgeReads(
  one: ListTransaction,
  { end, mayVanishUpTo = -1 }: ListHistory,
  writers: Writers,
  lastShown: Map<string, number>,
): readonly Anomaly[] {
  const found: Anomaly[] = [];
  const say = (kind: AnomalyKind, what: string): number => found.push({ kind, what: `${one.name} ${what}` });
  for (const step of one.steps) {
    if (step.kind === 'append') continue;
    const { key } = step;
    const final = end.get(key) ?? [];
    const shown = step.values.filter((value) => writers.get(value) !== one);
    for (const value of shown) {
      const writer = writers.get(value);
      if (writer === undefined) say('invented', `was shown ${value} on ${key}, which nobody wrote`);
      else if (writer.outcome === 'none')
        say('invented', `was shown ${value} on ${key}, of which nothing happened`);
      else if (!final.includes(value) && step.at > mayVanishUpTo)
        say('vanished', `was shown ${value} on ${key}, which is gone`);
    }
    const lasting = shown.filter((value) => final.includes(value));
    const others = final.filter((value) => writers.get(value) !== one);
    if (lasting.some((value, at) => others[at] !== value)) {
      say('reordered', `was shown ${shown.join(' ')} on ${key}, which is ${final.join(' ')}`);
      continue;
    }
    const last = writers.get(lasting.at(-1) ?? '');
    const next = writers.get(others[lasting.length] ?? '');
    if (last !== undefined && last === next)
      say('intermediate', `was shown ${lasting.at(-1)} on ${key} without the rest of ${last.name}`);

    const since = one.level === 'read committed' ? step.at : one.startedAt;
    const missed = others
      .slice(lasting.length)
      .find((value) => (writers.get(value)?.acknowledgedAt ?? Infinity) < since);
    if (missed !== undefined) say('stale', `was not shown ${missed} on ${key}, acknowledged before it asked`);
    const place = `${one.session} ${key}`;
    if (lasting.length < (lastShown.get(place) ?? 0))
      say(
        'backward',
        `was shown ${lasting.length} values of ${key}, after ${lastShown.get(place)} in the same session`,
      );
    lastShown.set(place, Math.max(lasting.length, lastShown.get(place) ?? 0));
  }
  return found;
}

/** Nobody asked what became of a transaction that only read, and it is told by nothing. */
function isCommitted({ outcome, steps }: ListTransaction, end: ListHistory['end']): boolean {
  if (outcome !== 'unknown') return outcome === 'done';
  return steps.some((step) => step.kind === 'append' && end.get(step.key)?.includes(step.value));
}

const cyclesToldMax = 5;

function judgeCycles(
  committed: readonly ListTransaction[],
  end: ListHistory['end'],
  writers: Writers,
): readonly Anomaly[] {
  const levels = new Map(committed.map(({ name, level }) => [name, level]));
  const all = [...writeOrder(end, writers), ...readOrder(committed, end, writers)].filter(
    ({ from, to }) => from !== to && levels.has(from) && levels.has(to),
  );
  const depends = all.filter(({ kind }) => kind !== 'rw');
  const circle = findCycle(depends);
  // What is said about the other kinds rests on there being no such circle.
  if (circle !== undefined) return [{ kind: 'G1c', what: describeCycle(circle) }];

  const missed = all.filter(({ kind, from }) => kind === 'rw' && levels.get(from) !== 'read committed');
  const found: Anomaly[] = findClosedBy(missed, depends)
    .slice(0, cyclesToldMax)
    .map((cycle) => ({ kind: 'G-single', what: describeCycle(cycle) }));
  const serial = findCycle(
    all.filter(({ from, to }) => [from, to].every((name) => levels.get(name) === 'serializable')),
  );
  if (serial !== undefined) found.push({ kind: 'G2', what: describeCycle(serial) });
  return found;
}

function writeOrder(end: ListHistory['end'], writers: Writers): readonly Dependency[] {
  return [...end].flatMap(([key, values]) =>
    values.slice(1).flatMap((value, at): readonly Dependency[] => {
      const [from, to] = [writers.get(values[at] ?? ''), writers.get(value)];
      return from && to ? [{ from: from.name, to: to.name, kind: 'ww', on: key }] : [];
    }),
  );
}

function readOrder(
  committed: readonly ListTransaction[],
  end: ListHistory['end'],
  writers: Writers,
): readonly Dependency[] {
  const found: Dependency[] = [];
  for (const one of committed) {
    for (const step of one.steps) {
      if (step.kind === 'append') continue;
      const others = (end.get(step.key) ?? []).filter((value) => writers.get(value) !== one);
      const shown = step.values.filter((value) => others.includes(value));
      const before = writers.get(shown.at(-1) ?? '');
      const after = writers.get(others[shown.length] ?? '');
      if (before) found.push({ from: before.name, to: one.name, kind: 'wr', on: step.key });
      if (after) found.push({ from: one.name, to: after.name, kind: 'rw', on: step.key });
    }
  }
  return found;
}
