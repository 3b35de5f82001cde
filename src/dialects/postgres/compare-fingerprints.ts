/** Says in sentences where members differ. Judges only: nothing here asks a member. */

import type { Fingerprint } from './fingerprint.ts';
import { acrossVersions, isOfOneVersion } from './across-versions.ts';

export interface Difference {
  readonly kind: 'definition' | 'rows' | 'sequence';
  /** `table public.orders`, `column public.orders.total`, … */
  readonly object: string;
  /** A whole sentence, with the members' names. */
  readonly message: string;
  /** What each member has; null: nothing. */
  readonly found: Readonly<Record<string, string | null>>;
}

/** What each member has of one object, in the order of the members; null: nothing. */
type Found = ReadonlyMap<string, string | null>;
type Members = ReadonlyMap<string, Fingerprint>;

const quotedLengthMax = 200;

/** Every difference; none: at the moment of their snapshots the members were equal. */
export function compareFingerprints(byMember: Members): readonly Difference[] {
  return [...definitionDifferences(byMember), ...rowDifferences(byMember), ...sequenceDifferences(byMember)];
}

function definitionDifferences(members: Members): readonly Difference[] {
  const fingerprints = [...members.values()];
  const oneMajor = new Set(fingerprints.map(({ major }) => major)).size === 1;
  if (oneMajor && new Set(fingerprints.map(({ schema }) => schema.digest)).size === 1) return [];
  return allKeys(fingerprints.map(({ schema }) => schema.definitions)).flatMap((object) => {
    if (!oneMajor && isOfOneVersion(object)) return [];
    const found = new Map<string, string | null>();
    for (const [id, { schema }] of members) {
      const definition = schema.definitions.get(object);
      // A missing table is one difference, not one more for each of its columns.
      if (definition === undefined && wholeIsMissing(members, object, id)) continue;
      const text = definition?.text ?? null;
      found.set(id, oneMajor || text === null ? text : acrossVersions(object, text));
    }
    if (allEqual(found)) return [];
    return [difference('definition', object, `${object}${describeDefinitions(found)}`, found)];
  });
}

/** Only what is itself reported as missing explains the absence of its parts. */
function wholeIsMissing(members: Members, object: string, id: string): boolean {
  const all = [...members.values()].map(({ schema }) => schema.definitions);
  const wholes = all.flatMap((definitions) => definitions.get(object)?.partOf ?? []);
  const here = members.get(id)?.schema.definitions;
  const isReported = (whole: string): boolean =>
    here?.has(whole) === false && all.some((definitions) => definitions.has(whole));
  return wholes.length > 0 && wholes.every(isReported);
}

function describeDefinitions(found: Found): string {
  const missing = [...found].filter(([, text]) => text === null).map(([id]) => id);
  if (missing.length > 0) {
    const having = [...found].filter(([, text]) => text !== null).map(([id]) => id);
    return ` is missing on ${listed(missing)} and is there on ${listed(having)}`;
  }
  const texts = new Map([...found].map(([id, text]) => [id, (text ?? '').split('\n')]));
  const lineCount = Math.max(...[...texts.values()].map((lines) => lines.length));
  if (lineCount === 1) return ` is ${perGroup(found, (text) => shorten(text ?? ''))}`;
  const differing = Array.from({ length: lineCount }, (_, line) => line).find(
    (line) => new Set([...texts.values()].map((lines) => lines[line])).size > 1,
  );
  const line = new Map([...texts].map(([id, lines]) => [id, lines[differing ?? 0]?.trim() ?? null]));
  return ` differs in line ${(differing ?? 0) + 1}, which is ${perGroup(line, (text) => (text === null ? 'absent' : `"${shorten(text)}"`))}`;
}

function rowDifferences(members: Members): readonly Difference[] {
  return allKeys([...members.values()].map(({ tables }) => tables)).flatMap((table) => {
    const counts = new Map<string, string | null>();
    const digests = new Map<string, string | null>();
    // Tables with other columns hold other rows in any case; how many is still worth knowing.
    const comparable = allEqual(columnsOf(members, table));
    for (const [id, { tables }] of members) {
      const digest = tables.get(table);
      if (digest === undefined) continue;
      counts.set(id, String(digest.rows));
      digests.set(
        id,
        comparable ? `${digest.rows} rows with digest ${digest.digest}` : `${digest.rows} rows`,
      );
    }
    if (allEqual(digests)) return [];
    const message = allEqual(counts)
      ? `table ${table} has ${rowCount([...counts.values()][0])} on each of ${listed([...counts.keys()])}, but not the same ones: ${sides(digests)}`
      : `table ${table} has ${perGroup(counts, rowCount)}`;
    return [difference('rows', `table ${table}`, message, digests)];
  });
}

function rowCount(rows: string | null | undefined): string {
  return rows === '1' ? '1 row' : `${rows} rows`;
}

function columnsOf(members: Members, table: string): Found {
  return new Map(
    [...members].flatMap(([id, { schema, tables }]) =>
      tables.has(table)
        ? [[id, schema.definitions.get(`columns of table ${table}`)?.text ?? null] as const]
        : [],
    ),
  );
}

function sequenceDifferences(members: Members): readonly Difference[] {
  return allKeys([...members.values()].map(({ sequences }) => sequences)).flatMap((sequence) => {
    const found = new Map<string, string | null>();
    for (const [id, { sequences }] of members) {
      const position = sequences.get(sequence);
      if (position !== undefined)
        found.set(id, position.called ? `${position.last}` : `${position.last} (not yet handed out)`);
    }
    if (allEqual(found)) return [];
    const message = `sequence ${sequence} stands at ${perGroup(found, String)}`;
    return [difference('sequence', `sequence ${sequence}`, message, found)];
  });
}

function difference(kind: Difference['kind'], object: string, message: string, found: Found): Difference {
  return { kind, object, message, found: Object.fromEntries(found) };
}

function allKeys(maps: readonly ReadonlyMap<string, unknown>[]): readonly string[] {
  return [...new Set(maps.flatMap((map) => [...map.keys()]))].sort();
}

function allEqual(found: Found): boolean {
  return new Set(found.values()).size <= 1;
}

function grouped(
  found: Found,
): readonly { readonly value: string | null; readonly ids: readonly string[] }[] {
  return [...new Set(found.values())].map((value) => ({
    value,
    ids: [...found].filter(([, its]) => its === value).map(([id]) => id),
  }));
}

function perGroup(found: Found, show: (value: string | null) => string): string {
  return grouped(found)
    .map(({ value, ids }) => `${show(value)} on ${listed(ids)}`)
    .join('; ');
}

function sides(found: Found): string {
  return grouped(found)
    .map(({ ids }) => (ids.length === 1 ? `${listed(ids)} alone` : `${listed(ids)} alike`))
    .join('; ');
}

function listed(ids: readonly string[]): string {
  return ids.length < 2 ? ids.join('') : `${ids.slice(0, -1).join(', ')} and ${ids.at(-1)}`;
}

function shorten(text: string): string {
  return text.length <= quotedLengthMax ? text : `${text.slice(0, quotedLengthMax)}…`;
}
