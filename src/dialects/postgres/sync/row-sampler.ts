/**
 * A few rows of one table at a time: those of a page that one member has are looked up by their keys on all of them. It costs each member
 * one page or some index look-ups, whatever the size of the table.
 */

import type { Member } from '../../contract.ts';
import type { RowSample, RowSampler } from '../../sync-contract.ts';
import { relationName, userRelations } from '../catalog-sql.ts';
import type { InternalConnection } from '../internal-connection.ts';
import { throughRoot } from '../marks.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { hasKey, rowKeySql } from './row-keys.ts';
import type { RowKey } from './row-keys.ts';
import { rowText } from './sync-table.ts';
import { syncSettings } from './sync-settings.ts';

const rowsMax = 40;
/** Larger rows are left to the verification. */
const rowBytesMax = 16 * 1024;
/** Of one page, also where rows are small. */
const itemsMax = 300;
/** The tables are listed anew after so many samples. */
const samplesPerList = 500;

const settings: Readonly<Record<string, string>> = {
  ...syncSettings,
  application_name: 'lockstep sample',
  default_transaction_read_only: 'on',
  statement_timeout: '500',
  lock_timeout: '50',
  // By the key, whatever the planner thinks of the table.
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

interface Table {
  readonly name: string;
  readonly stored: readonly string[];
  readonly key: RowKey;
  readonly pages: number;
}

interface Sample extends RowSample {
  readonly of: Table;
  readonly keys: readonly (readonly string[])[];
}

export class PostgresRowSampler implements RowSampler {
  readonly #random: () => number;
  readonly #connections = new Map<string, InternalConnection>();
  #tables: readonly Table[] = [];
  #turn = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  async pick(member: Member): Promise<RowSample | undefined> {
    const connection = await this.#connection(member);
    if (this.#turn % samplesPerList === 0) this.#tables = await readTables(connection);
    const table = this.#nextTable();
    if (table === undefined) return undefined;
    const page = Math.floor(this.#random() * Math.max(table.pages, 1));
    const sizes = table.stored.map((column) => `coalesce(pg_column_size("!row".${column}), 0)`).join(' + ');
    const rows = await connection.rows(
      `SELECT to_json(ARRAY[${table.key.columns.map((column) => `concat("!row".${column})`).join(', ')}])::text FROM ONLY ${table.name} AS "!row"
        WHERE "!row".ctid = ANY (ARRAY(SELECT format('(%s,%s)', ${page}, i)::tid FROM generate_series(1, ${itemsMax}) AS i))
          AND ${sizes} <= ${rowBytesMax} LIMIT ${rowsMax}`,
    );
    if (rows.length === 0) return undefined;
    const keys = rows.map(([text]) => JSON.parse(text ?? '[]') as readonly string[]);
    const sample: Sample = { table: table.name, of: table, keys };
    return sample;
  }

  async digest(member: Member, sample: RowSample): Promise<string> {
    const { of: table, keys } = sample as Sample;
    const connection = await this.#connection(member);
    const [[rows, sum] = []] = await connection.rows(
      `SELECT count(*), sum(hashtextextended(line, 0)) FROM (
         SELECT ${rowText(table, '"!row"')} AS line FROM ONLY ${table.name} AS "!row" WHERE ${hasKey(table.key, keys, '"!row"')} OFFSET 0) lines`,
    );
    return `${rows} ${sum}`;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  /** Each in turn, and in between by size: so that a large one is not looked at as seldom as a small one. */
  #nextTable(): Table | undefined {
    const turn = this.#turn++;
    if (turn % 2 === 0) return this.#tables[(turn / 2) % Math.max(this.#tables.length, 1)];
    let left = this.#random() * this.#tables.reduce((sum, { pages }) => sum + pages, 0);
    return this.#tables.find(({ pages }) => (left -= pages) < 0);
  }

  async #connection(member: Member): Promise<InternalConnection> {
    const known = this.#connections.get(member.id);
    if (known !== undefined && known.lost === undefined) return known;
    const connection = await (member as PostgresMember).openInternal(settings);
    this.#connections.set(member.id, connection);
    return connection;
  }
}

/** Those with a primary key that rows can be looked up by. */
async function readTables(connection: InternalConnection): Promise<readonly Table[]> {
  const rows = await connection.rows(
    `SELECT json_build_object('name', ${relationName}, 'pages', pg_relation_size(c.oid) / current_setting('block_size')::int,
       'stored', (SELECT json_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute
                   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated IN ('', 's')),
       'key', k.key)
     FROM ${userRelations('r')} CROSS JOIN LATERAL (SELECT ${rowKeySql('c.oid')} AS key) k
     WHERE k.key IS NOT NULL AND c.relpersistence = 'p' AND (NOT c.relispartition OR ${throughRoot('c.oid')} IS NULL)`,
  );
  return rows.map(([text]) => JSON.parse(text ?? '{}') as Table);
}
