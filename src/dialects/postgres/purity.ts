/**
 * What running an object of the schema may do that no statement's text shows: found by what each contains and refers to, and
 * carried over to whoever uses it. What is not proven pure is not.
 */

import { hiddenInBuiltin, isCarriedSetting, mergeHidden, readBody } from '../../sql/index.ts';
import type { Body, Hidden } from '../../sql/index.ts';
import type { InternalConnection } from './internal-connection.ts';
import type { Expressions, Use } from './expressions.ts';
import { functionsQuery, linksQuery, objectsQuery } from './purity-sql.ts';

type Row = readonly (string | null)[];

export interface Purity {
  /** Impure ones only, by the letters of `purity-sql.ts`, `w` for relations that are written, `.` for functions that `row.name` may call. */
  readonly hidden: ReadonlyMap<string, Hidden>;
  readonly volatility: ReadonlyMap<string, number>;
  /** Settings that may be read anywhere, on the word that each connection of a session has them. */
  readonly settings: readonly string[];
  readonly everything: Hidden | undefined;
}

/** What has been looked through so far: most is the same the next time. */
export interface LookedThrough {
  readonly bodies: Bodies;
  readonly expressions: Expressions;
}

/** By number. */
export type Bodies = Map<string, { readonly source: string; readonly body: Body }>;

const rank: Readonly<Record<string, number>> = { i: 1, s: 2, v: 3 };

/** Extensions' functions that give chance values and touch nothing. */
const CHANCE = /^(?:uuid_generate_v\w+|gen_random_(?:uuid|bytes)|gen_salt)$/;
/** Settings that extensions' functions in C read. */
const C_SETTINGS = ['similarity', 'word_similarity', 'strict_word_similarity'].map(
  (one) => `pg_trgm.${one}_threshold`,
);

/** `source` names the server that is asked. */
export async function readPurity(
  connection: InternalConnection,
  before: LookedThrough,
  source: string,
): Promise<Purity> {
  const version = Number.parseInt(connection.parameters.get('server_version') ?? '', 10);
  // Names and operators are the system's, whatever there is in a path that somebody has set for our role.
  const rows = (sql: string): Promise<Row[]> => connection.rows(`SET LOCAL search_path = pg_catalog; ${sql}`);
  const functions = await rows(functionsQuery(version));
  const objects = await rows(objectsQuery);
  const links = (await rows(linksQuery(version))) as readonly Row[] as readonly Use[];
  const uses = await before.expressions.read(connection, version, source);
  return judge(functions, objects, [links, uses], before);
}

function judge(
  functions: readonly Row[],
  objects: readonly Row[],
  uses: readonly (readonly Use[])[],
  { bodies, expressions }: LookedThrough,
): Purity {
  const graph = new Graph();
  const settings = new Set<string>(C_SETTINGS);
  for (const [user, used] of uses.flat()) {
    const rest = used.slice(1);
    const builtin = used.startsWith('f') ? expressions.builtin(rest) : undefined;
    if (builtin !== undefined) graph.seed(user, hiddenInBuiltin(builtin.name, builtin.volatile));
    else if (used.startsWith('s')) noteSetting(graph, user, rest, settings);
    else if (used.startsWith('c')) graph.seed(user, hiddenInCommand(Number(rest)));
    else if (used === 'l') graph.seed(user, { local: 'what one member has of its own' });
    else graph.link(user, used);
  }
  for (const [letter, oid] of objects) if (letter === 'r') graph.link(`w${oid}`, `r${oid}`);
  readFunctions(graph, functions, objects, bodies, settings);
  const found = graph.close();
  return { ...named(found, functions, objects), settings: [...settings].sort() };
}

function hiddenInCommand(type: number): Hidden {
  return type > 4 ? { writes: 'a command', session: 'a command' } : { writes: 'a change of rows' };
}

/** Who uses what, and what each does by itself. */
class Graph {
  readonly #users = new Map<string, Set<string>>();
  readonly #seeds = new Map<string, Hidden>();

  seed(node: string, seeds: Hidden): void {
    if (Object.values(seeds).every((why) => why === undefined)) return;
    const known = this.#seeds.get(node);
    if (known === undefined) this.#seeds.set(node, { ...seeds });
    else mergeHidden(known, seeds);
  }

  link(user: string, used: string): void {
    if (user === used) return;
    const users = this.#users.get(used);
    if (users === undefined) this.#users.set(used, new Set([user]));
    else users.add(user);
  }

  /** Everybody does what those do whom he uses. */
  close(): ReadonlyMap<string, Hidden> {
    const found = this.#seeds;
    const open = [...found.keys()];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const seeds = found.get(node)!;
      for (const user of this.#users.get(node) ?? []) {
        const before = found.get(user);
        const after = { ...before };
        mergeHidden(after, seeds);
        if (before !== undefined && kinds(before) === kinds(after)) continue;
        found.set(user, after);
        open.push(user);
      }
    }
    return found;
  }
}

function kinds(seeds: Hidden): string {
  return `${seeds.session !== undefined}${seeds.writes !== undefined}${seeds.sequences !== undefined}${seeds.local !== undefined}`;
}

function readFunctions(
  graph: Graph,
  functions: readonly Row[],
  objects: readonly Row[],
  bodies: Bodies,
  settings: Set<string>,
): void {
  const callable = groupByName(
    functions.map(([oid, , name, , , , byField]) => [`f${oid}`, name, byField] as const),
  );
  const others = groupByName(
    objects.map(([letter, oid, , name]) => [`${letter}${oid}`, name, letter] as const),
  );
  const operators = objects.flatMap(([letter, oid, , name]) =>
    letter === 'o' ? [[`o${oid}`, name ?? ''] as const] : [],
  );
  const seen = new Set<string>();
  for (const [oid, , name, volatility, language, source] of functions) {
    if (oid === null || oid === undefined || Number(oid) < 16_384) continue;
    const node = `f${oid}`;
    if (source === null || source === undefined) {
      graph.seed(node, seedsOfUnread(name ?? '', volatility ?? 'v', language ?? ''));
      continue;
    }
    let known = bodies.get(oid);
    if (known?.source !== source)
      known = { source, body: readBody(source, language === 'sql' ? 'sql' : 'plpgsql') };
    bodies.set(oid, known);
    seen.add(oid);
    const { body } = known;
    const { session, writes, sequences, local } = body;
    graph.seed(node, { session, writes, sequences, local });
    for (const setting of body.settings) settings.add(setting);
    for (const word of body.words) {
      for (const [other, byField] of callable.get(word) ?? [])
        if (byField === 't' || body.calls.has(word)) graph.link(node, other);
      for (const [other, letter] of others.get(word) ?? []) {
        if (letter !== 'o') graph.link(node, other);
        if (letter === 'r' && body.writes !== undefined) graph.link(node, `w${other.slice(1)}`);
      }
    }
    for (const [other, operator] of operators)
      for (const run of body.operators) if (run.includes(operator)) graph.link(node, other);
  }
  for (const oid of bodies.keys()) if (!seen.has(oid)) bodies.delete(oid);
}

/** Those that are written in C only superusers make, and what they call stable is. */
function seedsOfUnread(name: string, volatility: string, language: string): Hidden {
  if (language === 'sql' || language === 'plpgsql') return {};
  if (volatility === 'i' || CHANCE.test(name)) return {};
  if (volatility === 's' && (language === 'c' || language === 'internal')) return {};
  const why = `language ${language}`;
  return { session: why, writes: why, sequences: why };
}

function groupByName(
  rows: readonly (readonly [
    node: string,
    name: string | null | undefined,
    more: string | null | undefined,
  ])[],
): ReadonlyMap<string, readonly (readonly [node: string, more: string | null | undefined])[]> {
  const groups = new Map<string, (readonly [string, string | null | undefined])[]>();
  for (const [node, name, more] of rows) {
    const group = groups.get(name ?? '');
    if (group === undefined) groups.set(name ?? '', [[node, more]]);
    else group.push([node, more]);
  }
  return groups;
}

function noteSetting(graph: Graph, user: string, name: string, settings: Set<string>): void {
  if (isCarriedSetting(name)) settings.add(name.toLowerCase());
  else graph.seed(user, { local: `setting ${name}` });
}

function named(
  found: ReadonlyMap<string, Hidden>,
  functions: readonly Row[],
  objects: readonly Row[],
): Pick<Purity, 'hidden' | 'volatility' | 'everything'> {
  const hidden = new Map<string, Hidden>();
  const volatilities = new Map<string, number>();
  const note = (letter: string, node: string, schema: string, name: string): void => {
    const seeds = found.get(node);
    if (seeds === undefined) return;
    for (const key of [`${letter}${name}`, `${letter}${schema}\0${name}`]) {
      const known = hidden.get(key);
      if (known === undefined) hidden.set(key, { ...seeds });
      else mergeHidden(known, seeds);
    }
  };
  for (const [oid, schema, name, volatility, , , byField] of functions) {
    const value = rank[volatility ?? ''] ?? 0;
    for (const key of [name ?? '', `${schema}\0${name}`])
      volatilities.set(key, Math.max(volatilities.get(key) ?? 0, value));
    note('f', `f${oid}`, schema ?? '', name ?? '');
    if (byField === 't') note('.', `f${oid}`, schema ?? '', name ?? '');
  }
  for (const [letter, oid, schema, name] of objects) {
    note(letter ?? '', `${letter}${oid}`, schema ?? '', name ?? '');
    if (letter === 'r') note('w', `w${oid}`, schema ?? '', name ?? '');
  }
  return { hidden, volatility: volatilities, everything: found.get('*0') };
}
