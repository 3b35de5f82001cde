/**
 * Proves that databases hold the same, from outside: every definition, every sequence, every table as a multiset of
 * rows in text form. It asks each member in turn, so the members must be at rest.
 */

import { definitionsSql, sequencesSql, storesSql, textSettingsSql } from './postgres-catalog.ts';

/** Asks one member; every value as text. Always over connections with the same settings. */
export type AskMember = (sql: string) => Promise<readonly (readonly (string | null)[])[]>;

export interface Difference {
  /** `rows`, `sequence`, or the kind of a definition (`relation`, `column`, `index`, …). */
  readonly kind: string;
  readonly object: string;
  /** What each member has: a definition, a position, or how often it has the row; undefined: nothing. */
  readonly found: Readonly<Record<string, string | undefined>>;
  /** The row in text form, where the kind is `rows`. */
  readonly row?: string;
}

export interface CompareOptions {
  /** Differing rows of one table that are listed. Default 100. */
  readonly rowsMax?: number;
  /** Leaves out objects whose name matches (`schema.table` and so on). */
  readonly ignore?: RegExp;
}

type Members = Readonly<Record<string, AskMember>>;
/** One member's things by name. */
type Inventory = ReadonlyMap<string, string>;

const buckets = 64;

/** Every difference between the members; none when they are equal. */
export async function compareMembers(
  members: Members,
  options: CompareOptions = {},
): Promise<readonly Difference[]> {
  const counted = (name: string): boolean => !options.ignore?.test(name);
  await demandEqualSettings(members);

  const sql = definitionsSql({ sameMajorVersion: await haveOneMajorVersion(members) });
  const definitions = await takeInventories(members, async (ask) =>
    (await ask(sql)).map(([kind, name, definition]) => [`${kind} ${name}`, definition ?? ''] as const),
  );
  const positions = await takeInventories(members, sequencePositions);
  const stores = await takeInventories(members, async (ask) =>
    (await ask(storesSql)).map(([name]) => [name ?? '', 'here'] as const),
  );

  const differences = [
    ...differing(definitions).map(({ name, found }) => {
      const [, kind = '', object = ''] = /^(event trigger|sequence definition|\S+) (.*)$/s.exec(name) ?? [];
      return { kind, object, found };
    }),
    ...differing(positions).map(({ name, found }) => ({ kind: 'sequence', object: name, found })),
    // A table that is not everywhere is among the definitions; whether a view is filled is said nowhere else.
    ...differing(stores)
      .filter(({ name }) => !name.startsWith('only '))
      .map(({ name, found }) => ({ kind: 'filled', object: name, found })),
  ];
  const everywhere = [...(Object.values(stores)[0]?.keys() ?? [])].filter((name) =>
    Object.values(stores).every((inventory) => inventory.has(name)),
  );
  for (const store of everywhere.toSorted()) {
    if (counted(store.replace(/^only /, '')))
      differences.push(...(await compareRows(members, store, options.rowsMax ?? 100)));
  }
  return differences.filter(({ object }) => counted(object));
}

/** A report for people, one difference in a paragraph. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences
    .map(({ kind, object, found, row }) => {
      const values = Object.entries(found).map(([id, value]) => `  ${id}: ${value ?? '(nothing)'}`);
      return [`${kind} ${object}${row === undefined ? '' : ` ${row}`}`, ...values].join('\n');
    })
    .join('\n');
}

/** Text differs where settings do: that would convict equal members, or worse, acquit different ones. */
async function demandEqualSettings(members: Members): Promise<void> {
  const unequal = differing(
    await takeInventories(members, async (ask) =>
      (await ask(textSettingsSql)).map(([name, setting]) => [name ?? '', setting ?? ''] as const),
    ),
  );
  if (unequal.length === 0) return;
  const found = unequal.map(({ name, found: values }) => `${name} is ${JSON.stringify(values)}`);
  throw new Error(`members can only be compared over connections with equal settings: ${found.join('; ')}`);
}

async function haveOneMajorVersion(members: Members): Promise<boolean> {
  const version = `select current_setting('server_version_num')::int / 10000`;
  const versions = await Promise.all(Object.values(members).map((ask) => ask(version)));
  return new Set(versions.flat(2)).size === 1;
}

async function sequencePositions(ask: AskMember): Promise<readonly (readonly [string, string])[]> {
  const names = (await ask(sequencesSql)).map(([name]) => name ?? '');
  if (names.length === 0) return [];
  const each = names.map(
    (name) => `select '${name.replaceAll("'", "''")}', concat_ws(' ', last_value, is_called) from ${name}`,
  );
  return (await ask(each.join(' union all '))).map(([name, position]) => [name ?? '', position ?? '']);
}

/**
 * Tables are compared by sums of row hashes in buckets, and only the rows of buckets that differ are fetched. A sum does
 * not depend on the order of the rows, and sees how often each one is there.
 */
async function compareRows(members: Members, store: string, rowsMax: number): Promise<readonly Difference[]> {
  const hash = `hashtextextended(concat(row(t.*)) collate "C", 0)`;
  const bucket = `${hash} & ${buckets - 1}`;
  const sums = await takeInventories(members, async (ask) => {
    const sql = `select ${bucket}, concat_ws(' ', count(*), sum(${hash}::numeric)) from ${store} t group by 1`;
    return (await ask(sql)).map(([number, sum]) => [number ?? '', sum ?? ''] as const);
  });
  const suspects = differing(sums).map(({ name }) => name);
  if (suspects.length === 0) return [];
  const rows = await takeInventories(members, async (ask) => {
    const sql = `select concat(row(t.*)), count(*) from ${store} t where (${bucket}) in (${suspects.join(', ')}) group by 1`;
    return (await ask(sql)).map(([row, count]) => [row ?? '', count ?? ''] as const);
  });
  return differing(rows)
    .slice(0, rowsMax)
    .map(({ name, found }) => ({ kind: 'rows', object: store.replace(/^only /, ''), row: name, found }));
}

async function takeInventories(
  members: Members,
  take: (ask: AskMember) => Promise<readonly (readonly [string, string])[]>,
): Promise<Readonly<Record<string, Inventory>>> {
  const taken = await Promise.all(
    Object.entries(members).map(async ([id, ask]) => [id, new Map(await take(ask))] as const),
  );
  return Object.fromEntries(taken);
}

function differing(
  inventories: Readonly<Record<string, Inventory>>,
): readonly { name: string; found: Record<string, string | undefined> }[] {
  const names = new Set(Object.values(inventories).flatMap((inventory) => [...inventory.keys()]));
  return [...names].toSorted().flatMap((name) => {
    const found = Object.fromEntries(
      Object.entries(inventories).map(([id, inventory]) => [id, inventory.get(name)]),
    );
    return new Set(Object.values(found)).size > 1 ? [{ name, found }] : [];
  });
}
