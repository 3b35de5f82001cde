/** Reads a member's commit log page by page, each page in one round trip. */

import { frontend } from '../../wire/postgres/index.ts';
import type { CommitRecord, LogPage, LogReader, WriteSet } from '../contract.ts';
import { logSegments } from './log-segments.ts';
import type { InternalConnection } from './internal-connection.ts';
import { MemoryWriteSet } from './write-set.ts';

/** Rows of the log in one page, each up to a few megabytes. */
const pageRowsMax = 1000;

/** What a row takes besides its payload. */
const rowBytes = 64;

/**
 * Each segment gives its first rows, found in its index, and of these the first of all are taken: so much is contiguous.
 * `next` is the CSN of the row behind: a record is cut off when that is its own.
 */
const pageQuery = `
WITH firsts AS (
  SELECT e.* FROM generate_series(0, ${logSegments - 1}) AS s(slot), LATERAL (
    SELECT l.slot, l.csn, l.part, l.term, l.payload FROM lockstep.log l
     WHERE l.slot = s.slot::int2 AND l.csn > $1 AND l.csn <= $2 ORDER BY l.csn, l.part LIMIT ${pageRowsMax + 1}) AS e
  ORDER BY csn, part LIMIT ${pageRowsMax + 1}),
measured AS (
  SELECT *, row_number() OVER w AS place, lead(csn) OVER w AS next,
         sum(coalesce(octet_length(payload), 0) + ${rowBytes}) OVER w - coalesce(octet_length(payload), 0) - ${rowBytes} AS before
    FROM firsts WINDOW w AS (ORDER BY csn, part))
SELECT csn, term, slot, payload, next FROM measured WHERE before < $3 AND place <= ${pageRowsMax} ORDER BY csn, part`;

/** In a later snapshot than the page: what was emptied before the page was read is already above it. */
const baseQuery = 'SELECT base_csn FROM lockstep.member';

interface Row {
  readonly csn: number;
  readonly term: number;
  readonly slot: number;
  readonly payload: Buffer | null;
  readonly next: number | undefined;
}

export class PostgresLogReader implements LogReader {
  readonly #connection: InternalConnection;
  readonly #readWhole: (csn: number) => Promise<WriteSet | null>;
  #prepared = false;

  /** `readWhole` fetches a write set that is too large for a page. */
  constructor(connection: InternalConnection, readWhole: (csn: number) => Promise<WriteSet | null>) {
    this.#connection = connection;
    this.#readWhole = readWhole;
  }

  async read(range: { afterCsn: number; upToCsn: number; bytesMax: number }): Promise<LogPage> {
    const { rows, baseCsn } = await this.#fetch([range.afterCsn, range.upToCsn, range.bytesMax]);
    const last = rows.at(-1);
    // The record at the end may have more parts than fit.
    const cut = last !== undefined && last.next === last.csn ? last.csn : undefined;
    const records = recordsOf(rows.filter(({ csn }) => csn !== cut));
    if (cut === undefined) {
      const upToCsn = last?.next === undefined ? range.upToCsn : last.csn;
      return { records, upToCsn, baseCsn };
    }
    const before = records.at(-1);
    if (before !== undefined) return { records, upToCsn: before.csn, baseCsn };
    const { csn, term, slot } = last as Row;
    // Its segment may be emptied meanwhile, so that is looked at again behind it.
    const writeSet = await this.#readWhole(csn);
    const { baseCsn: laterBaseCsn } = await this.#fetch([csn, csn, 0]);
    return { records: [{ csn, term, slot, writeSet }], upToCsn: csn, baseCsn: laterBaseCsn };
  }

  close(): void {
    this.#connection.close();
  }

  async #fetch(values: readonly number[]): Promise<{ rows: readonly Row[]; baseCsn: number }> {
    const parse = this.#prepared
      ? []
      : [
          frontend.parse({ name: 'lockstep_page', query: pageQuery, parameterTypes: [20, 20, 20] }),
          frontend.parse({ name: 'lockstep_base', query: baseQuery }),
        ];
    const result = await this.#connection.pipeline([
      ...parse,
      frontend.bind({
        statement: 'lockstep_page',
        values: values.map((value) => Buffer.from(String(value))),
        resultFormats: [1],
      }),
      frontend.execute(),
      frontend.bind({ statement: 'lockstep_base', values: [] }),
      frontend.execute(),
      frontend.sync,
    ]);
    this.#prepared = true;
    const base = result.rows.at(-1);
    return { rows: result.rows.slice(0, -1).map(readRow), baseCsn: Number(base?.[0]?.toString()) };
  }
}

function readRow([csn, term, slot, payload, next]: readonly (Buffer | null)[]): Row {
  return {
    csn: Number(csn?.readBigInt64BE()),
    term: Number(term?.readBigInt64BE()),
    slot: Number(slot?.readInt16BE()),
    payload: payload ?? null,
    next: next == null ? undefined : Number(next.readBigInt64BE()),
  };
}

function recordsOf(rows: readonly Row[]): readonly CommitRecord[] {
  const records: CommitRecord[] = [];
  let parts: Buffer[] = [];
  for (const [index, { csn, term, slot, payload }] of rows.entries()) {
    if (payload !== null) parts.push(payload);
    if (rows[index + 1]?.csn === csn) continue;
    records.push({ csn, term, slot, writeSet: parts.length === 0 ? null : new MemoryWriteSet(parts) });
    parts = [];
  }
  return records;
}
