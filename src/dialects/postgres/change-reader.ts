/** Reads changes one by one from the bytes of a write set. See `write-set.ts` for how they are written. */

import { InvariantError } from '../../base/index.ts';
import type { Change, ChangeOp, LargeChange, RowBlock } from './write-set.ts';

/** Schema and table of rows that follow. */
export type BlockHead = Pick<RowBlock, 'schema' | 'table'>;

interface Operation {
  readonly op: ChangeOp | 'B';
  readonly wordBytes: number;
}

const code = (character: string): number => character.charCodeAt(0);
const comma = code(',');
const colon = code(':');
const semicolon = code(';');
export const quote = code('"');
export const backslash = code('\\');
export const open = code('(');
export const close = code(')');

const none = Buffer.alloc(0);

const operations: Readonly<Record<number, Operation>> = {
  [code('B')]: { op: 'B', wordBytes: 1 },
  [code('I')]: { op: 'I', wordBytes: 6 },
  [code('U')]: { op: 'U', wordBytes: 6 },
  [code('D')]: { op: 'D', wordBytes: 6 },
  [code('T')]: { op: 'T', wordBytes: 8 },
  [code('E')]: { op: 'E', wordBytes: 5 },
  [code('Q')]: { op: 'Q', wordBytes: 1 },
  [code('S')]: { op: 'S', wordBytes: 1 },
  [code('C')]: { op: 'C', wordBytes: 1 },
  [code('N')]: { op: 'N', wordBytes: 1 },
  [code('X')]: { op: 'X', wordBytes: 1 },
};

export class ChangeReader {
  readonly #bytes: Buffer;
  #at = 0;
  #block: BlockHead | undefined;

  /** `block`: that which the bytes before have begun. */
  constructor(bytes: Buffer, block: BlockHead | undefined) {
    this.#bytes = bytes;
    this.#block = block;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  /** The block that is not at its end yet. */
  get block(): BlockHead | undefined {
    return this.#block;
  }

  /** What stands in front of a row's images; undefined when this is another kind of change. */
  rowHead(): { op: LargeChange['op']; schema: Buffer; table: Buffer } | undefined {
    if (this.#block !== undefined) return { op: 'I', ...this.#block };
    const { op, wordBytes } = this.#operation();
    if (op !== 'I' && op !== 'U' && op !== 'D' && op !== 'B') return undefined;
    this.#at += wordBytes;
    const names = this.#names();
    if (op === 'B') this.#block = names;
    return { op: op === 'B' ? 'I' : op, ...names };
  }

  next(): Change | RowBlock {
    if (this.#block !== undefined) return this.#rows(this.#block);
    const { op, wordBytes } = this.#operation();
    this.#at += wordBytes;
    if (op === 'S') return this.#statement();
    if (op === 'C' || op === 'N' || op === 'X')
      return { op, schema: none, table: none, old: null, new: this.#take(this.#number(colon)) };
    const { schema, table } = this.#names();
    switch (op) {
      case 'B':
        return this.#rows({ schema, table });
      case 'I':
        return { op, schema, table, old: null, new: this.image() };
      case 'D':
        return { op, schema, table, old: this.image(), new: null };
      case 'U':
        return { op, schema, table, old: this.image(), new: this.image() };
      case 'Q':
        return { op, schema, table, old: this.#upTo(comma), new: this.#upTo(semicolon) };
      default:
        return { op, schema, table, old: null, new: null };
    }
  }

  #operation(): Operation {
    const operation = operations[this.#bytes[this.#at] ?? 0];
    if (operation === undefined) throw damaged();
    return operation;
  }

  #names(): BlockHead {
    const schemaBytes = this.#number(comma);
    const tableBytes = this.#number(colon);
    return { schema: this.#take(schemaBytes), table: this.#take(tableBytes) };
  }

  /** As many rows of a block as are whole; none only where nothing but its end is left. */
  #rows({ schema, table }: BlockHead): RowBlock {
    const start = this.#at;
    const block = (rows: number): RowBlock => ({
      op: 'B',
      schema,
      table,
      images: this.#bytes.subarray(start, this.#at),
      rows,
    });
    for (let rows = 0; ; rows++) {
      if (this.#bytes[this.#at] === semicolon) {
        const whole = block(rows);
        this.#at += 1;
        this.#block = undefined;
        return whole;
      }
      try {
        this.image();
      } catch (error) {
        if (error !== incomplete || rows === 0) throw error;
        this.#block = { schema, table };
        return block(rows);
      }
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

  image(): Buffer {
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
export const incomplete = new InvariantError('a change is cut short');

export function damaged(): InvariantError {
  return new InvariantError('a write set is not as it should be');
}
