/** Finds which rows of a table two members do not have in common. */

import { multisetDifference } from './multiset-difference.ts';
import { bucketsFor, differingBuckets, readDigests, readPlaces } from './row-digests.ts';
import type { BucketDigests, OnPiece, TableSide } from './row-digests.ts';
import { rowText } from './sync-table.ts';

const samplesMax = 3;
const sampleLengthMax = 400;

/** Both sides hold the same columns; `right` is the one whose rows are right. */
export interface TablePair {
  readonly right: TableSide;
  readonly other: TableSide;
  readonly onPiece: { readonly right: OnPiece; readonly other: OnPiece };
  /** So many rows of each side are in memory at a time, as hashes and places. */
  readonly sliceRows: number;
}

/** Buckets that differ and are looked at together. */
export interface Slice {
  readonly buckets: readonly number[];
  /** The larger of the two sides' rows in them. */
  readonly rows: number;
}

export interface DigestDifference {
  readonly bucketCount: number;
  readonly slices: readonly Slice[];
  readonly sliceRows: number;
  readonly rowsRight: number;
  readonly rowsOther: number;
}

/** By places, as the database writes them. */
export interface RowDifference {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** One scan of each side; only sums travel. */
export async function compareDigests(pair: TablePair): Promise<DigestDifference> {
  const estimate = Math.max(pair.right.table.rowsEstimate, pair.other.table.rowsEstimate);
  const [right, other] = await both(
    pair,
    readSideDigests(pair.right, estimate, pair.onPiece.right),
    readSideDigests(pair.other, estimate, pair.onPiece.other),
  );
  return differenceOf(right, other, pair.sliceRows);
}

/** Comparable with those that were read with the same estimate. */
export async function readSideDigests(
  side: TableSide,
  rowsEstimate: number,
  onPiece: OnPiece,
): Promise<BucketDigests> {
  return await readDigests(side, bucketsFor(rowsEstimate), onPiece);
}

export function differenceOf(
  right: BucketDigests,
  other: BucketDigests,
  sliceRows: number,
): DigestDifference {
  return {
    bucketCount: right.rows.length,
    slices: sliced(differingBuckets(right, other), { right, other, sliceRows }),
    sliceRows,
    rowsRight: sum(right.rows),
    rowsOther: sum(other.rows),
  };
}

/** One bucket that does not fit into memory: very many rows that are the same. */
export function isOversized(slice: Slice, { sliceRows }: DigestDifference): boolean {
  return slice.rows > sliceRows * 8;
}

/** Another scan of each side, of which the rows in the slice's buckets travel as hashes and places. */
export async function compareRows(
  pair: TablePair,
  difference: DigestDifference,
  slice: Slice,
): Promise<RowDifference & { readonly rowsRight: number; readonly rowsOther: number }> {
  const options = {
    buckets: difference.bucketCount,
    wanted: slice.buckets,
    rowsExpected: slice.rows,
  };
  const [right, other] = await both(
    pair,
    readPlaces(pair.right, { ...options, onPiece: pair.onPiece.right }),
    readPlaces(pair.other, { ...options, onPiece: pair.onPiece.other }),
  );
  const { onlyFirst, onlySecond } = multisetDifference(right, other);
  return {
    missing: onlyFirst.map((at) => right.place(at)),
    extra: onlySecond.map((at) => other.place(at)),
    rowsRight: right.count,
    rowsOther: other.count,
  };
}

/** A few of the rows, for people. */
export async function sampleRows(side: TableSide, places: readonly string[]): Promise<readonly string[]> {
  const few = places.slice(0, samplesMax);
  if (few.length === 0) return [];
  const rows = await side.connection.rows(
    `SELECT left(${rowText(side.table, '"!row"')}, ${sampleLengthMax}) FROM ${side.table.from} AS "!row"
      WHERE ctid = ANY ('{"${few.join('","')}"}'::tid[])`,
  );
  return rows.map(([row]) => row ?? '');
}

function sliced(
  buckets: readonly number[],
  { right, other, sliceRows }: { right: BucketDigests; other: BucketDigests; sliceRows: number },
): readonly Slice[] {
  const slices: { buckets: number[]; rows: number }[] = [];
  for (const bucket of buckets) {
    const rows = Math.max(right.rows[bucket] ?? 0, other.rows[bucket] ?? 0);
    const last = slices.at(-1);
    if (last !== undefined && last.rows + rows <= sliceRows) {
      last.buckets.push(bucket);
      last.rows += rows;
    } else slices.push({ buckets: [bucket], rows });
  }
  return slices;
}

/** When one side fails, the other is stopped: nobody waits for it. */
async function both<T>(pair: TablePair, right: Promise<T>, other: Promise<T>): Promise<readonly [T, T]> {
  let failure: { readonly reason: unknown } | undefined;
  const stop = (rest: TableSide) => (reason: unknown) => {
    if (failure !== undefined) return;
    failure = { reason };
    void rest.connection.cancel();
  };
  right.catch(stop(pair.other));
  other.catch(stop(pair.right));
  await Promise.allSettled([right, other]);
  if (failure !== undefined) throw failure.reason;
  return await Promise.all([right, other]);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
