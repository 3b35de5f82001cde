/**
 * The write set's bytes, as the triggers and functions of the control schema collect them. One change after another:
 *
 *   INSERT|DELETE <n>,<m>:<schema><table><image>        n, m: bytes of the two names
 *   UPDATE        <n>,<m>:<schema><table><old><new>
 *   TRUNCATE|EMPTY <n>,<m>:<schema><table>
 *   Q<n>,<m>:<schema><sequence><up|exact>,<value>,<t|f>;
 *   S<a>,<b>,<c>,<d>:<role><search path><settings><statement>
 *
 * An image is the text form of a row, which says itself where it ends: parentheses and quotes inside are quoted.
 */

import { InvariantError } from '../../base/index.ts';
import type { WriteSet } from '../contract.ts';

/** I, U, D: rows. T: truncated. E: emptied. S: statement. Q: sequence position. */
export type ChangeOp = 'I' | 'U' | 'D' | 'T' | 'E' | 'S' | 'Q';

/** Names and images are in the encoding of the member's database. S: role, search path, settings, statement. Q: old is how, new is `value,called`. */
export interface Change {
  readonly op: ChangeOp;
  readonly schema: Buffer;
  readonly table: Buffer;
  readonly old: Buffer | null;
  readonly new: Buffer | null;
}

const code = (character: string): number => character.charCodeAt(0);
const comma = code(',');
const colon = code(':');
const semicolon = code(';');
const quote = code('"');
const backslash = code('\\');
const open = code('(');
const close = code(')');

const operations: Readonly<Record<number, { readonly op: ChangeOp; readonly wordBytes: number }>> = {
  [code('I')]: { op: 'I', wordBytes: 6 },
  [code('U')]: { op: 'U', wordBytes: 6 },
  [code('D')]: { op: 'D', wordBytes: 6 },
  [code('T')]: { op: 'T', wordBytes: 8 },
  [code('E')]: { op: 'E', wordBytes: 5 },
  [code('Q')]: { op: 'Q', wordBytes: 1 },
  [code('S')]: { op: 'S', wordBytes: 1 },
};

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

export function isLarge(change: Change | LargeChange): change is LargeChange {
  return 'images' in change;
}

/** A change that is still not whole after so many bytes is not collected any more. */
const collectedBytesMax = 4 << 20;

export function readChanges(whole: Buffer): Change[] {
  const stream = new ChangeStream(Infinity);
  const changes = stream.push(whole);
  stream.end();
  return changes.filter((change): change is Change => !isLarge(change));
}

/** Reads a write set part by part. Changes may be cut anywhere. */
export class ChangeStream {
  readonly #collectedBytesMax: number;
  /** The beginning of a change that is not whole yet, and where in the write set it stands. */
  #rest: Buffer = Buffer.alloc(0);
  #at = 0;
  #large: LargeRow | undefined;

  constructor(bytesMax: number = collectedBytesMax) {
    this.#collectedBytesMax = bytesMax;
  }

  push(part: Buffer): (Change | LargeChange)[] {
    const changes: (Change | LargeChange)[] = [];
    let bytes = part;
    if (this.#large !== undefined) {
      const used = this.#large.scan(bytes, this.#at);
      this.#at += used;
      if (!this.#large.whole) return changes;
      changes.push(this.#large.change);
      this.#large = undefined;
      bytes = bytes.subarray(used);
    } else if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, part]);
    }
    const used = readWhole(bytes, changes);
    this.#at += used;
    this.#rest = bytes.subarray(used);
    if (this.#rest.length > this.#collectedBytesMax) this.#startLarge();
    return changes;
  }

  /** Throws when the write set ends in the middle of a change. */
  end(): void {
    if (this.#rest.length > 0 || this.#large !== undefined) throw damaged();
  }

  #startLarge(): void {
    const row = new ChangeReader(this.#rest).rowHead();
    // A statement of that size is kept: it has to be sent in one piece.
    if (row === undefined) return;
    const large = new LargeRow(row.op, row.schema, row.table);
    large.scan(this.#rest.subarray(row.bytes), this.#at + row.bytes);
    this.#at += this.#rest.length;
    this.#rest = Buffer.alloc(0);
    this.#large = large;
  }
}

/** Adds the changes that are whole; returns how many bytes they take. */
function readWhole(bytes: Buffer, changes: (Change | LargeChange)[]): number {
  const reader = new ChangeReader(bytes);
  let used = 0;
  try {
    while (!reader.done) {
      changes.push(reader.next());
      used = reader.at;
    }
  } catch (error) {
    if (error !== incomplete) throw error;
  }
  return used;
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

class ChangeReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  /** What stands in front of a row's images; undefined when this is another kind of change. */
  rowHead(): { op: LargeChange['op']; schema: Buffer; table: Buffer; bytes: number } | undefined {
    const operation = operations[this.#bytes[this.#at] ?? 0];
    if (operation === undefined) throw damaged();
    const { op } = operation;
    if (op !== 'I' && op !== 'U' && op !== 'D') return undefined;
    this.#at += operation.wordBytes;
    const schemaBytes = this.#number(comma);
    const tableBytes = this.#number(colon);
    return { op, schema: this.#take(schemaBytes), table: this.#take(tableBytes), bytes: this.#at };
  }

  next(): Change {
    const operation = operations[this.#bytes[this.#at] ?? 0];
    if (operation === undefined) throw damaged();
    this.#at += operation.wordBytes;
    const { op } = operation;
    if (op === 'S') return this.#statement();
    const schemaBytes = this.#number(comma);
    const tableBytes = this.#number(colon);
    const schema = this.#take(schemaBytes);
    const table = this.#take(tableBytes);
    switch (op) {
      case 'I':
        return { op, schema, table, old: null, new: this.#image() };
      case 'D':
        return { op, schema, table, old: this.#image(), new: null };
      case 'U':
        return { op, schema, table, old: this.#image(), new: this.#image() };
      case 'Q':
        return { op, schema, table, old: this.#upTo(comma), new: this.#upTo(semicolon) };
      default:
        return { op, schema, table, old: null, new: null };
    }
  }

  #statement(): Change {
    const lengths = [
      this.#number(comma),
      this.#number(comma),
      this.#number(comma),
      this.#number(colon),
    ] as const;
    return {
      op: 'S',
      schema: this.#take(lengths[0]),
      table: this.#take(lengths[1]),
      old: this.#take(lengths[2]),
      new: this.#take(lengths[3]),
    };
  }

  #number(end: number): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let byte = bytes[this.#at]; byte !== end; byte = bytes[++this.#at]) {
      if (byte === undefined) throw incomplete;
      if (byte < 0x30 || byte > 0x39) throw damaged();
      value = value * 10 + byte - 0x30;
    }
    this.#at += 1;
    return value;
  }

  #take(length: number): Buffer {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw incomplete;
    return this.#bytes.subarray(start, this.#at);
  }

  #upTo(end: number): Buffer {
    const start = this.#at;
    const found = this.#bytes.indexOf(end, start);
    if (found < 0) throw incomplete;
    this.#at = found + 1;
    return this.#bytes.subarray(start, found);
  }

  #image(): Buffer {
    const bytes = this.#bytes;
    const start = this.#at;
    if (start >= bytes.length) throw incomplete;
    if (bytes[start] !== open) throw damaged();
    let quoted = false;
    for (let at = start + 1; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === quote) quoted = !quoted;
      else if (byte === backslash) at += 1;
      else if (byte === close && !quoted) {
        this.#at = at + 1;
        return bytes.subarray(start, at + 1);
      }
    }
    throw incomplete;
  }
}

/** The bytes end before the change does. One for all: it is thrown for each part that is cut, and nobody looks into it. */
const incomplete = new InvariantError('a change is cut short');

function damaged(): InvariantError {
  return new InvariantError('a write set is not as it should be');
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
