/**
 * What a member holds, small enough to compare and complete enough to prove: every definition, a digest of every
 * table's rows, every sequence's position. The hashing is done inside the member; only digests travel.
 */

import { createHash } from 'node:crypto';
import { relationName, userRelations } from './catalog-sql.ts';
import type { InternalConnection } from './internal-connection.ts';
import { definitionQueries } from './schema-definitions.ts';
import { withinSnapshot } from './snapshot.ts';

export interface Definition {
  readonly text: string;
  /** The object without which this one cannot be: a column's table, a table's schema. */
  readonly partOf: string | undefined;
}

export interface SchemaFingerprint {
  /** By object (`column public.orders.total`), sorted. */
  readonly definitions: ReadonlyMap<string, Definition>;
  /** Of all definitions. Between major versions only `compareFingerprints` can tell: they phrase views differently. */
  readonly digest: string;
}

export interface TableDigest {
  readonly rows: bigint;
  /** Equal for the same rows in any order, each as often as the other. */
  readonly digest: string;
}

export interface SequencePosition {
  readonly last: bigint;
  /** Whether `last` has been handed out. */
  readonly called: boolean;
  /** So many numbers beyond `last` are in the member's log already: after a crash it stands behind them. */
  readonly logged: number;
}

export interface Fingerprint {
  readonly major: number;
  readonly schema: SchemaFingerprint;
  readonly tables: ReadonlyMap<string, TableDigest>;
  readonly sequences: ReadonlyMap<string, SequencePosition>;
}

export interface FingerprintProgress {
  readonly table: string;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly rowsDone: bigint;
}

export interface FingerprintOptions {
  readonly onProgress?: (progress: FingerprintProgress) => void;
}

const sequencesPerQuery = 100;

/** All of it as of one moment. Only sequences stand outside of snapshots: nobody may draw from them meanwhile. */
export function takeFingerprint(
  connection: InternalConnection,
  options: FingerprintOptions = {},
): Promise<Fingerprint> {
  return withinSnapshot(connection, async () => {
    const [[version] = []] = await connection.rows('SHOW server_version_num');
    const schema = await schemaFingerprint(connection);
    const tables = await tableDigests(connection, options);
    const sequences = await sequencePositions(connection);
    return { major: Math.floor(Number(version) / 10_000), schema, tables, sequences };
  });
}

/** To be called `withinSnapshot`. */
export async function schemaFingerprint(connection: InternalConnection): Promise<SchemaFingerprint> {
  const found: [string, Definition][] = [];
  for (const sql of definitionQueries) {
    for (const [object, partOf, text] of await connection.rows(sql)) {
      found.push([object ?? '', { text: text ?? '', partOf: partOf ?? undefined }]);
    }
  }
  // Sorted here and not by the members, whose collations may differ.
  found.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const hash = createHash('sha256');
  for (const [object, { text }] of found) hash.update(JSON.stringify([object, text]));
  return { definitions: new Map(found), digest: hash.digest('hex') };
}

/** To be called `withinSnapshot`. Tables, each partition by itself, and materialized views. */
async function tableDigests(
  connection: InternalConnection,
  options: FingerprintOptions = {},
): Promise<ReadonlyMap<string, TableDigest>> {
  const tables = await connection.rows(
    `SELECT ${relationName}, c.relkind FROM ${userRelations('rm')} WHERE c.relispopulated ORDER BY 1`,
  );
  const digests = new Map<string, TableDigest>();
  let rowsDone = 0n;
  for (const [name, kind] of tables) {
    const table = name ?? '';
    const [[rows, first, second] = []] = await connection.rows(
      digestSql(kind === 'r' ? `ONLY ${table}` : table),
    );
    digests.set(table, { rows: BigInt(rows ?? 0), digest: `${first}:${second}` });
    rowsDone += BigInt(rows ?? 0);
    options.onProgress?.({ table, tablesDone: digests.size, tablesTotal: tables.length, rowsDone });
  }
  return digests;
}

/**
 * Sums of two independent 64-bit hashes do not depend on the order of the rows and see how often each one is there.
 * hashtextextended is the same in all versions; md5 may be switched off (FIPS) and costs several times as much.
 * The text is made by output functions alone: a cast of a table's row may be its owner's own function.
 * OFFSET 0 keeps the row's text from being made once for each hash, and the server from giving the scan all its cores.
 */
function digestSql(source: string): string {
  return `SELECT count(*), coalesce(sum(hashtextextended(line, 0)), 0), coalesce(sum(hashtextextended(line, 1)), 0)
    FROM (SELECT concat(ROW("!row".*)) COLLATE "C" AS line FROM ${source} AS "!row" OFFSET 0) lines`;
}

/** To be called `withinSnapshot`, for its settings. */
export async function sequencePositions(
  connection: InternalConnection,
): Promise<ReadonlyMap<string, SequencePosition>> {
  const names = await connection.rows(
    `SELECT ${relationName}, quote_literal(${relationName}) FROM ${userRelations('S')} ORDER BY 1`,
  );
  const positions = new Map<string, SequencePosition>();
  for (let start = 0; start < names.length; start += sequencesPerQuery) {
    const parts = names
      .slice(start, start + sequencesPerQuery)
      .map(([name, literal]) => `SELECT ${literal}, last_value, is_called, log_cnt FROM ${name}`);
    for (const [name, last, called, logged] of await connection.rows(parts.join(' UNION ALL '))) {
      positions.set(name ?? '', {
        last: BigInt(last ?? 0),
        called: called === 't',
        logged: Number(logged ?? 0),
      });
    }
  }
  return positions;
}
