/** The promises, checked against what clients saw. Knows nothing of how they are kept. */

import { accountStart } from './profile.ts';
import { contains, itemsOf } from './history.ts';
import type { History, Item, Sight } from './history.ts';
import type { Value } from './sim-write-set.ts';
import type { World } from './world.ts';

/** `end`: the rows that the active members hold when all is over. */
export function judgeHistory(world: World, history: History, end: ReadonlyMap<string, Value>): void {
  judgeEnd(world, history, end);
  const lastLoss = Math.max(0, ...history.nodeLosses);
  const last = new Map<string, Sight>();
  for (const sight of history.sights) {
    if (mayHaveSeenRevoked(history, sight)) continue;
    judgeSight(world, history, sight, end, lastLoss);
    const before = last.get(sight.session);
    if (before !== undefined) judgeOrder(world, before, sight);
    last.set(sight.session, mergeSights(before, sight));
  }
}

/** The one gap that the design names: between a commit and the first word that a replica refuses it. */
function mayHaveSeenRevoked({ revoked }: History, { startedAt, endedAt }: Sight): boolean {
  return revoked.some(({ from, until }) => endedAt > from && startedAt < until);
}

function judgeEnd(world: World, history: History, end: ReadonlyMap<string, Value>): void {
  for (const item of history.items.values()) {
    const there = itemsOf(end.get(item.list)).filter((name) => name === item.name).length;
    if (item.outcome === 'acknowledged' && there !== 1)
      world.violated('G1', `${item.name} was acknowledged and is there ${there} times in the end`);
    if (item.outcome === 'none' && there > 0)
      world.violated('G5', `${item.name} is there although its client was told that nothing happened`);
    if (there > 1) world.violated('G2', `${item.name} is there ${there} times`);
  }
  for (const [key, value] of end) {
    for (const name of itemsOf(value)) {
      if (history.items.get(name)?.list !== key)
        world.violated('G2', `${name} is on ${key} and nobody put it there`);
    }
  }
  if (end.has('treasure')) world.violated('G6', 'another cluster’s rows are there');
  judgeAccounts(world, end, 'in the end');
}

function judgeAccounts(world: World, values: ReadonlyMap<string, Value>, where: string, line?: number): void {
  const accounts = [...values].filter(([key]) => key.startsWith('account'));
  if (accounts.length < world.profile.accounts) return;
  const sum = accounts.reduce((total, [, value]) => total + Number(value), 0);
  if (sum !== world.profile.accounts * accountStart)
    world.violated('G2', `the accounts hold ${sum} ${where}`, line);
}

function judgeSight(
  world: World,
  history: History,
  sight: Sight,
  end: ReadonlyMap<string, Value>,
  lastLoss: number,
): void {
  judgeAccounts(world, sight.values, `as ${sight.session} saw them`, sight.line);
  const seen: Item[] = [];
  for (const [key, value] of sight.values) {
    if (typeof value !== 'string') continue;
    const lasting = lastingPart(value, end.get(key));
    if (lasting !== value && sight.endedAt > lastLoss)
      world.violated('G3', `${sight.session} saw ${key}=${value}, which became ${end.get(key)}`, sight.line);
    if (typeof end.get(key) === 'string' && !String(end.get(key)).startsWith(lasting))
      world.violated(
        'G3',
        `${sight.session} saw ${key}=${value} in another order: ${end.get(key)}`,
        sight.line,
      );
    for (const name of itemsOf(value)) {
      const item = history.items.get(name);
      if (item === undefined)
        world.violated('G2', `${sight.session} saw ${name}, which nobody wrote`, sight.line);
      else if (item.outcome === 'none')
        world.violated('G2', `${sight.session} saw ${name}, of which nothing happened`, sight.line);
      else if (contains(end.get(key), name)) seen.push(item);
    }
  }
  for (const item of history.items.values()) {
    if (!sight.values.has(item.list) || contains(sight.values.get(item.list), item.name)) continue;
    if (item.acknowledgedAt < sight.startedAt && !sight.outdated)
      world.violated(
        'G4',
        `${sight.session} does not see ${item.name}, acknowledged before it asked`,
        sight.line,
      );
    const later = seen.find((other) => item.acknowledgedAt < other.startedAt);
    if (later !== undefined)
      world.violated(
        'G3',
        `${sight.session} sees ${later.name} without ${item.name}, which was before it`,
        sight.line,
      );
  }
  for (const item of seen) {
    for (const [key, value] of listsSeenBefore(history, item)) {
      const shown = sight.values.get(key);
      if (shown === undefined) continue;
      if (!String(shown).startsWith(lastingPart(value, end.get(key))))
        world.violated(
          'G3',
          `${sight.session} sees ${item.name} without ${key}=${value}, which it had seen`,
          sight.line,
        );
    }
  }
}

function listsSeenBefore(history: History, item: Item): ReadonlyMap<string, string> {
  const lists = new Map<string, string>();
  for (const sight of item.seenBefore) {
    if (mayHaveSeenRevoked(history, sight)) continue;
    for (const [key, value] of sight.values) if (typeof value === 'string') lists.set(key, value);
  }
  return lists;
}

function judgeOrder(world: World, before: Sight, after: Sight): void {
  for (const [key, value] of after.values) {
    const earlier = before.values.get(key);
    if (typeof value === 'string' && earlier !== undefined && !value.startsWith(String(earlier)))
      world.violated(
        'G4',
        `${after.session} goes back in time: ${key}=${earlier}, then ${value}`,
        after.line,
      );
  }
}

function mergeSights(before: Sight | undefined, after: Sight): Sight {
  return before === undefined ? after : { ...after, values: new Map([...before.values, ...after.values]) };
}

/** Without what is gone in the end. */
function lastingPart(list: string, end: Value | undefined): string {
  return itemsOf(list)
    .filter((name) => contains(end, name))
    .map((name) => `${name},`)
    .join('');
}
