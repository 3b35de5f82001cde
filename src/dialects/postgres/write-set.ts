/**
 * The write set's bytes, as the triggers and functions of the control schema collect them. One change after another:
 *
 *   INSERT|DELETE <n>,<m>:<schema><table><image>        n, m: bytes of the two names
 *   UPDATE        <n>,<m>:<schema><table><old><new>
 *   B             <n>,<m>:<schema><table><image><image>…;   rows that came in one statement
 *   TRUNCATE|EMPTY <n>,<m>:<schema><table>
 *   Q<n>,<m>:<schema><sequence><up|exact>,<value>,<t|f>;
 *   S<a>,<b>,<c>,<d>:<role><search path><settings><statement>
 *   C<n>:<settings>      what was in force where the rows behind it were written, until the next of its kind: JSON, name to value
 *   X<n>:<effect>        what the statement behind it has made, by which it is known elsewhere that it has done the same: JSON
 *
 * An image is the text form of a row, which says itself where it ends: parentheses and quotes inside are quoted.
 */

import type { WriteSet } from '../contract.ts';
import { backslash, ChangeReader, close, damaged, incomplete, open, quote } from './change-reader.ts';
import type { BlockHead } from './change-reader.ts';

/** I, U, D: rows. T: truncated. E: emptied. S: statement. Q: sequence position. C: surroundings. N: numbers of enums' labels. X: effect of a statement. */
export type ChangeOp = 'I' | 'U' | 'D' | 'T' | 'E' | 'S' | 'Q' | 'C' | 'N' | 'X';

/** Names and images are in the encoding of the member's database. S: role, search path, settings, statement. Q: old is how, new is `value,called`. C, N, X: new is JSON. */
export interface Change {
  readonly op: ChangeOp;
  readonly schema: Buffer;
  readonly table: Buffer;
  readonly old: Buffer | null;
  readonly new: Buffer | null;
}

/** Inserted rows, one image after the other. */
export interface RowBlock {
  readonly op: 'B';
  readonly schema: Buffer;
  readonly table: Buffer;
  readonly images: Buffer;
  readonly rows: number;
}

/** What a write set consists of, as it is read. */
export type Piece = Change | RowBlock | LargeChange;

/** A row too large to be held: its images are somewhere in the bytes of the write set, counted from its beginning. */
export interface LargeChange {
  readonly op: 'I' | 'U' | 'D';
  readonly schema: Buffer;
  readonly table: Buffer;
  readonly images: readonly ImageRange[];
}

export interface ImageRange {
  readonly from: number;
  readonly to: number;
}

export function isLarge(piece: Piece): piece is LargeChange {
  return piece.op !== 'B' && 'images' in piece;
}

/** A change that is still not whole after so many bytes is not collected any more. */
const collectedBytesMax = 4 << 20;

export function readChanges(whole: Buffer): Change[] {
  const stream = new ChangeStream(Infinity);
  const pieces = stream.push(whole);
  stream.end();
  return pieces.flatMap((piece) => (piece.op === 'B' ? changesOf(piece) : isLarge(piece) ? [] : [piece]));
}

/** Each row of a block as a change of its own. */
export function changesOf({ schema, table, images, rows }: RowBlock): Change[] {
  const reader = new ChangeReader(images, { schema, table });
  return Array.from({ length: rows }, () => ({ op: 'I', schema, table, old: null, new: reader.image() }));
}

/** Reads a write set part by part. Changes may be cut anywhere. */
export class ChangeStream {
  readonly #collectedBytesMax: number;
  /** The beginning of a change that is not whole yet, and where in the write set it stands. */
  #rest: Buffer = Buffer.alloc(0);
  #at = 0;
  /** What the rest continues. */
  #block: BlockHead | undefined;
  #large: LargeRow | undefined;

  constructor(bytesMax: number = collectedBytesMax) {
    this.#collectedBytesMax = bytesMax;
  }

  push(part: Buffer): Piece[] {
    const pieces: Piece[] = [];
    let bytes = part;
    if (this.#large !== undefined) {
      const used = this.#large.scan(bytes, this.#at);
      this.#at += used;
      if (!this.#large.whole) return pieces;
      pieces.push(this.#large.change);
      this.#large = undefined;
      bytes = bytes.subarray(used);
    } else if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, part]);
    }
    const used = this.#readWhole(bytes, pieces);
    this.#at += used;
    this.#rest = bytes.subarray(used);
    if (this.#rest.length > this.#collectedBytesMax) this.#startLarge();
    return pieces;
  }

  /** Throws when the write set ends in the middle of a change. */
  end(): void {
    if (this.#rest.length > 0 || this.#block !== undefined || this.#large !== undefined) throw damaged();
  }

  /** Adds what is whole; returns how many bytes that takes. */
  #readWhole(bytes: Buffer, pieces: Piece[]): number {
    const reader = new ChangeReader(bytes, this.#block);
    let used = 0;
    try {
      while (!reader.done) {
        const piece = reader.next();
        if (piece.op !== 'B' || piece.rows > 0) pieces.push(piece);
        used = reader.at;
        this.#block = reader.block;
      }
    } catch (error) {
      if (error !== incomplete) throw error;
    }
    return used;
  }

  #startLarge(): void {
    const reader = new ChangeReader(this.#rest, this.#block);
    const row = reader.rowHead();
    // A statement of that size is kept: it has to be sent in one piece.
    if (row === undefined) return;
    this.#block = reader.block;
    const large = new LargeRow(row.op, row.schema, row.table);
    large.scan(this.#rest.subarray(reader.at), this.#at + reader.at);
    this.#at += this.#rest.length;
    this.#rest = Buffer.alloc(0);
    this.#large = large;
  }
}

/** Finds the ends of a row's images without keeping them. */
class LargeRow {
  readonly #head: Omit<LargeChange, 'images'>;
  readonly #images: ImageRange[] = [];
  #from = -1;
  #quoted = false;
  #escaped = false;

  constructor(op: LargeChange['op'], schema: Buffer, table: Buffer) {
    this.#head = { op, schema: Buffer.from(schema), table: Buffer.from(table) };
  }

  get whole(): boolean {
    return this.#images.length === (this.#head.op === 'U' ? 2 : 1);
  }

  get change(): LargeChange {
    return { ...this.#head, images: this.#images };
  }

  /** Returns how many bytes belong to the row. `at`: where they stand in the write set. */
  scan(bytes: Buffer, at: number): number {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.#from < 0) {
        if (byte !== open) throw damaged();
        this.#from = at + i;
      } else if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#quoted = !this.#quoted;
      else if (byte === close && !this.#quoted) {
        this.#images.push({ from: this.#from, to: at + i + 1 });
        this.#from = -1;
        if (this.whole) return i + 1;
      }
    }
    return bytes.length;
  }
}

/** A write set that is small enough to stay in memory. */
export class MemoryWriteSet implements WriteSet {
  readonly bytes: number;
  readonly #parts: readonly Buffer[];

  constructor(parts: readonly Buffer[]) {
    this.#parts = parts;
    this.bytes = parts.reduce((sum, part) => sum + part.length, 0);
  }

  parts(): Iterable<Buffer> {
    return this.#parts;
  }

  release(): void {}
}
