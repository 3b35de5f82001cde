/** The write set's bytes, as `lockstep.finish` frames them: `<op><lengths>:<schema><table><old><new>`, again and again. */

import { InvariantError } from '../../base/index.ts';
import type { WriteSet } from '../contract.ts';

/** I, U, D: rows. T: truncated. E: emptied. S: statement. Q: sequence position. */
export type ChangeOp = 'I' | 'U' | 'D' | 'T' | 'E' | 'S' | 'Q';

/** Names and images are in the encoding of the member's database. For S: role, search path, settings, statement. */
export interface Change {
  readonly op: ChangeOp;
  readonly schema: Buffer;
  readonly table: Buffer;
  readonly old: Buffer | null;
  readonly new: Buffer | null;
}

const comma = 0x2c;
const colon = 0x3a;
const minus = 0x2d;

export function readChanges(part: Buffer): Change[] {
  const changes: Change[] = [];
  let at = 0;
  const lengths = [0, 0, 0, 0];
  while (at < part.length) {
    const op = String.fromCharCode(part[at] as number) as ChangeOp;
    at += 1;
    for (let i = 0; i < 4; i++) {
      const end = i === 3 ? colon : comma;
      let value = 0;
      let negative = false;
      for (let byte = part[at]; byte !== end; byte = part[++at]) {
        if (byte === minus) negative = true;
        else if (byte !== undefined && byte >= 0x30 && byte <= 0x39) value = value * 10 + byte - 0x30;
        else throw new InvariantError('a write set is not framed as it should be');
      }
      lengths[i] = negative ? -1 : value;
      at += 1;
    }
    const schemaEnd = at + (lengths[0] as number);
    const tableEnd = schemaEnd + (lengths[1] as number);
    const oldEnd = tableEnd + Math.max(0, lengths[2] as number);
    const newEnd = oldEnd + Math.max(0, lengths[3] as number);
    if (newEnd > part.length) throw new InvariantError('a write set is cut short');
    changes.push({
      op,
      schema: part.subarray(at, schemaEnd),
      table: part.subarray(schemaEnd, tableEnd),
      old: (lengths[2] as number) < 0 ? null : part.subarray(tableEnd, oldEnd),
      new: (lengths[3] as number) < 0 ? null : part.subarray(oldEnd, newEnd),
    });
    at = newEnd;
  }
  return changes;
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
