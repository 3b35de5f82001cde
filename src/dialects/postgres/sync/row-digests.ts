/**
 * What a table holds, as sums of row hashes in buckets; and, for buckets that differ, each row's hash and place. The hashing is done
 * inside the member. Rows need no key and no order: a table is a multiset.
 */

import type { InternalConnection } from '../internal-connection.ts';
import { readBinaryRows } from './binary-rows.ts';
import type { RowHashes } from './multiset-difference.ts';
import { pageBytes, rowText } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';

const bucketsMin = 64;
const bucketsMax = 65_536;
const rowsPerBucket = 64;
const wordsPerBucket = 4;
const wordValues = 2 ** 32;

/**
 * A table is read in pieces of this many pages, so that it can be slowed down and progress be seen. Smaller ones, for a low rate, cost
 * more: the sums of all buckets travel for each.
 */
const piecePagesMax = 8192;
const piecePagesMin = 16;

/** A table on one member. */
export interface TableSide {
  readonly connection: InternalConnection;
  readonly table: SyncTable;
  /** Before version 14 a range of pages can only be read by reading them all. */
  readonly major: number;
  /** Of a piece. */
  readonly pieceBytesMax: number;
}

export interface BucketDigests {
  readonly rows: Float64Array;
  /**
   * Two for each bucket: the sums of the halves of its rows' hashes, which see how often a row is there; a XOR would not. Each is kept as
   * two words of 32 bits, modulo 2^64: thousands of them are added up at a time, and BigInts would hold up everybody else.
   */
  readonly sums: Uint32Array;
}

/** Called after each piece. */
export type OnPiece = (read: { rows: number; bytes: number }) => Promise<void>;

/** A power of two, so that few rows share a bucket and few buckets travel. */
export function bucketsFor(rows: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(rows / rowsPerBucket, 1)));
  return Math.min(Math.max(wanted, bucketsMin), bucketsMax);
}

export async function readDigests(
  side: TableSide,
  buckets: number,
  onPiece: OnPiece,
): Promise<BucketDigests> {
  const digests: BucketDigests = {
    rows: new Float64Array(buckets),
    sums: new Uint32Array(buckets * wordsPerBucket),
  };
  await inPieces(side, async (range, bytes) => {
    let rows = 0;
    await readBinaryRows(
      side.connection,
      `SELECT bucket, count(*), sum(high), sum(low) FROM (
         SELECT (hash & ${buckets - 1})::int4 AS bucket, (hash >> 32)::int4 AS high, ((hash & 4294967295) - 2147483648)::int4 AS low
           FROM ${hashes(side.table, range)}) halves GROUP BY bucket`,
      (row, at) => {
        const bucket = row.readInt32BE(at + 4);
        const count = row.readUInt32BE(at + 12) * wordValues + row.readUInt32BE(at + 16);
        digests.rows[bucket] = (digests.rows[bucket] ?? 0) + count;
        addSum(digests.sums, bucket * wordsPerBucket, row, at + 24);
        addSum(digests.sums, bucket * wordsPerBucket + 2, row, at + 36);
        rows += count;
      },
    );
    await onPiece({ rows, bytes });
  });
  return digests;
}

/** Adds the 64-bit number at `from`. Storing a word drops what does not fit. */
function addSum(sums: Uint32Array, at: number, row: Buffer, from: number): void {
  const low = (sums[at + 1] ?? 0) + row.readUInt32BE(from + 4);
  sums[at + 1] = low;
  sums[at] = (sums[at] ?? 0) + row.readUInt32BE(from) + (low < wordValues ? 0 : 1);
}

/** Buckets in which the two differ. */
export function differingBuckets(first: BucketDigests, second: BucketDigests): readonly number[] {
  const differing: number[] = [];
  for (let bucket = 0; bucket < first.rows.length; bucket++) {
    let equal = first.rows[bucket] === second.rows[bucket];
    const end = (bucket + 1) * wordsPerBucket;
    for (let at = bucket * wordsPerBucket; equal && at < end; at++)
      equal = first.sums[at] === second.sums[at];
    if (!equal) differing.push(bucket);
  }
  return differing;
}

/** Hash and place of each row in the buckets given. */
export async function readPlaces(
  side: TableSide,
  options: { buckets: number; wanted: readonly number[]; rowsExpected: number; onPiece: OnPiece },
): Promise<PlacedRows> {
  const { buckets, wanted, rowsExpected, onPiece } = options;
  const bitmap = Buffer.alloc(buckets / 8);
  for (const bucket of wanted) bitmap[bucket >> 3] = (bitmap[bucket >> 3] ?? 0) | (1 << (bucket & 7));
  const places = new PlacedRows(rowsExpected);
  await inPieces(side, async (range, bytes) => {
    await readBinaryRows(
      side.connection,
      `SELECT hash, ctid FROM ${hashes(side.table, range)}
        WHERE get_bit('\\x${bitmap.toString('hex')}'::bytea, (hash & ${buckets - 1})::int4) = 1`,
      (row, at) => {
        places.add({
          high: row.readUInt32BE(at + 4),
          low: row.readUInt32BE(at + 8),
          page: row.readUInt32BE(at + 16),
          item: row.readUInt16BE(at + 20),
        });
      },
    );
    await onPiece({ rows: 0, bytes });
  });
  return places;
}

export class PlacedRows implements RowHashes {
  count = 0;
  high: Uint32Array;
  low: Uint32Array;
  #pages: Uint32Array;
  #items: Uint16Array;

  constructor(capacity: number) {
    this.high = new Uint32Array(capacity);
    this.low = new Uint32Array(capacity);
    this.#pages = new Uint32Array(capacity);
    this.#items = new Uint16Array(capacity);
  }

  add(row: { high: number; low: number; page: number; item: number }): void {
    if (this.count === this.high.length) this.#grow();
    const at = this.count++;
    this.high[at] = row.high;
    this.low[at] = row.low;
    this.#pages[at] = row.page;
    this.#items[at] = row.item;
  }

  /** As the database writes it. */
  place(at: number): string {
    return `(${this.#pages[at]},${this.#items[at]})`;
  }

  #grow(): void {
    const size = Math.max(this.high.length * 2, 64);
    const grown = <T extends Uint32Array | Uint16Array>(target: T, from: T): T => {
      target.set(from);
      return target;
    };
    this.high = grown(new Uint32Array(size), this.high);
    this.low = grown(new Uint32Array(size), this.low);
    this.#pages = grown(new Uint32Array(size), this.#pages);
    this.#items = grown(new Uint16Array(size), this.#items);
  }
}

/** OFFSET 0 keeps the row's text from being made more than once, and the server from giving the scan all its cores. */
function hashes(table: SyncTable, range: string): string {
  return `(SELECT hashtextextended(line, 0) AS hash, ctid
    FROM (SELECT ${rowText(table, '"!row"')} AS line, "!row".ctid FROM ${table.from} AS "!row" ${range} OFFSET 0) lines OFFSET 0) hashes`;
}

async function inPieces(
  { table, major, pieceBytesMax }: TableSide,
  read: (range: string, bytes: number) => Promise<void>,
): Promise<void> {
  const bytesPerPage = table.pages === 0 ? pageBytes : table.bytes / table.pages;
  const pages = Math.min(Math.max(Math.floor(pieceBytesMax / bytesPerPage), piecePagesMin), piecePagesMax);
  const step = major >= 14 ? pages : Number.POSITIVE_INFINITY;
  let from = 0;
  do {
    const to = from + step;
    // The last piece has no end: the table may have grown since its size was asked for.
    const upper = to < table.pages ? ` AND "!row".ctid < '(${to},0)'` : '';
    const range = from === 0 && upper === '' ? '' : `WHERE "!row".ctid >= '(${from},0)'${upper}`;
    await read(range, Math.ceil((Math.min(to, table.pages) - from) * bytesPerPage));
    from = to;
  } while (from < table.pages);
}
