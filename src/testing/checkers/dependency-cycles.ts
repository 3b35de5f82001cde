/** Cycles in a graph of transactions: who must have been before whom, and why. */

export type DependencyKind =
  /** Overwrote what the other wrote. */
  | 'ww'
  /** Read what the other wrote. */
  | 'wr'
  /** Read what the other then overwrote. */
  | 'rw';

export interface Dependency {
  readonly from: string;
  readonly to: string;
  readonly kind: DependencyKind;
  /** The key on which the two met. */
  readonly on: string;
}

/** A shortest cycle through one of the transactions that lie on any; undefined when there is none. */
export function findCycle(dependencies: readonly Dependency[]): readonly Dependency[] | undefined {
  const left = peel(dependencies);
  const edges = groupByStart(left);
  let best: readonly Dependency[] | undefined;
  for (const start of [...edges.keys()].slice(0, startsMax)) {
    for (const first of edges.get(start) ?? []) {
      const back = findPath(edges, first.to, start);
      if (back !== undefined && (best === undefined || back.length + 1 < best.length))
        best = [first, ...back];
    }
    if (best?.length === 2) break;
  }
  return best;
}

/**
 * For each of the `closing` dependencies, whether the others lead back from its end to its start: a cycle with exactly
 * one of them. `others` have no cycle among themselves.
 */
export function findClosedBy(
  closing: readonly Dependency[],
  others: readonly Dependency[],
): readonly (readonly Dependency[])[] {
  const edges = groupByStart(others);
  const place = placesInOrder(others);
  return closing.flatMap((one) => {
    const last = place.get(one.from) ?? -1;
    // A path leads only forward, so whatever lies behind its goal cannot be on it.
    const path = findPath(edges, one.to, one.from, (name) => (place.get(name) ?? Infinity) <= last);
    return path === undefined ? [] : [[one, ...path]];
  });
}

export function describeCycle(cycle: readonly Dependency[]): string {
  const words = { ww: 'overwritten by', wr: 'read by', rw: 'had not seen' } as const;
  return cycle.map(({ from, to, kind, on }) => `${from} ${words[kind]} ${to} (${on})`).join(', ');
}

/** From so many transactions a shortest cycle is looked for: one that is short enough to be understood will do. */
const startsMax = 200;

type Edges = ReadonlyMap<string, readonly Dependency[]>;

function groupByStart(dependencies: readonly Dependency[]): Edges {
  const edges = new Map<string, Dependency[]>();
  for (const one of dependencies) {
    const known = edges.get(one.from);
    if (known === undefined) edges.set(one.from, [one]);
    else known.push(one);
  }
  return edges;
}

/** The shortest path; empty when start and goal are the same. */
function findPath(
  edges: Edges,
  start: string,
  goal: string,
  mayPass: (name: string) => boolean = () => true,
): readonly Dependency[] | undefined {
  if (start === goal) return [];
  const cameBy = new Map<string, Dependency>();
  const waiting = [start];
  for (let at = 0; at < waiting.length; at++) {
    for (const one of edges.get(waiting[at] ?? '') ?? []) {
      if (one.to === start || cameBy.has(one.to) || !mayPass(one.to)) continue;
      cameBy.set(one.to, one);
      if (one.to === goal) return wayBack(cameBy, start, goal);
      waiting.push(one.to);
    }
  }
  return undefined;
}

function wayBack(
  cameBy: ReadonlyMap<string, Dependency>,
  start: string,
  goal: string,
): readonly Dependency[] {
  const path: Dependency[] = [];
  for (let name = goal; name !== start; ) {
    const by = cameBy.get(name);
    if (by === undefined) break;
    path.unshift(by);
    name = by.from;
  }
  return path;
}

/** Takes away, again and again, what nothing leads to: what is left lies on cycles, or behind one. */
function peel(dependencies: readonly Dependency[]): readonly Dependency[] {
  const place = placesInOrder(dependencies);
  return dependencies.filter(({ from, to }) => !place.has(from) && !place.has(to));
}

/** Places such that every dependency leads forward; what lies on a cycle, or behind one, has none. */
function placesInOrder(dependencies: readonly Dependency[]): ReadonlyMap<string, number> {
  const edges = groupByStart(dependencies);
  const incoming = new Map<string, number>();
  for (const { from, to } of dependencies) {
    incoming.set(to, (incoming.get(to) ?? 0) + 1);
    if (!incoming.has(from)) incoming.set(from, 0);
  }
  const free = [...incoming].filter(([, count]) => count === 0).map(([name]) => name);
  const place = new Map<string, number>();
  for (let at = 0; at < free.length; at++) {
    const name = free[at] ?? '';
    place.set(name, at);
    for (const { to } of edges.get(name) ?? []) {
      const left = (incoming.get(to) ?? 0) - 1;
      incoming.set(to, left);
      if (left === 0) free.push(to);
    }
  }
  return place;
}
