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

export function readChanges(part: Buffer): Change[] {
  const reader = new ChangeReader(part);
  const changes: Change[] = [];
  while (!reader.done) changes.push(reader.next());
  return changes;
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
      if (byte === undefined || byte < 0x30 || byte > 0x39) throw damaged();
      value = value * 10 + byte - 0x30;
    }
    this.#at += 1;
    return value;
  }

  #take(length: number): Buffer {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw damaged();
    return this.#bytes.subarray(start, this.#at);
  }

  #upTo(end: number): Buffer {
    const start = this.#at;
    const found = this.#bytes.indexOf(end, start);
    if (found < 0) throw damaged();
    this.#at = found + 1;
    return this.#bytes.subarray(start, found);
  }

  #image(): Buffer {
    const bytes = this.#bytes;
    const start = this.#at;
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
    throw damaged();
  }
}

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
