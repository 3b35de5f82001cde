/**
 * What the message builders share. A builder first adds up its exact size, then `startFrame` allocates it once, then
 * the `put` functions fill it and each returns the place behind what it wrote.
 */

import { invariant } from '../../base/index.ts';
import { HEADER_BYTES } from './message-types.ts';
import { badText, tooLong } from './wire-error.ts';

/** A column or parameter value: raw bytes, text to be sent as UTF-8, or NULL. */
export type Value = Buffer | string | null;

const LENGTH_MAX = 0x7fff_ffff;
const COUNT_MAX = 0xffff;

/** The header, with room for the body. Sizes are added up as doubles, so a sum that is too large arrives here whole. */
export function startFrame(type: number, bodyBytes: number): Buffer {
  const length = bodyBytes + 4;
  if (length > LENGTH_MAX) throw tooLong(`a message of ${length} bytes; the protocol ends at ${LENGTH_MAX}`);
  const frame = Buffer.allocUnsafe(length + 1);
  frame[0] = type;
  frame.writeInt32BE(length, 1);
  return frame;
}

/** Every byte of `allocUnsafe` memory must have been written before it leaves the process. */
export function finishFrame(frame: Buffer, at: number): Buffer {
  invariant(at === frame.length, 'a message builder fills exactly what it has counted');
  return frame;
}

export function constantFrame(type: number, body: readonly number[] = []): Buffer {
  const frame = startFrame(type, body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Bytes of a text and its NUL. A NUL inside would let the rest of the text be read as the fields that follow. */
export function textBytes(text: string | Buffer): number {
  if (text.includes('\0')) throw badText('a text holds a NUL, which would end it');
  return (typeof text === 'string' ? Buffer.byteLength(text) : text.length) + 1;
}

export function putText(frame: Buffer, at: number, text: string | Buffer): number {
  const end = at + (typeof text === 'string' ? frame.write(text, at) : text.copy(frame, at));
  frame[end] = 0;
  return end + 1;
}

/**
 * Bytes of a name and its NUL. Names are strings of bytes (latin1), as the readers give them, so that a name in any
 * client encoding comes out as it came in.
 */
export function nameBytes(name: string): number {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === 0 || code > 0xff) throw badText('a name of a statement or portal is made of bytes 1 to 255');
  }
  return name.length + 1;
}

export function putName(frame: Buffer, at: number, name: string): number {
  const end = at + frame.write(name, at, 'latin1');
  frame[end] = 0;
  return end + 1;
}

/** Refuses a count that its 16 bits would cut off: what is left over would be read as other fields. */
export function checkCount(what: string, count: number): void {
  if (count > COUNT_MAX) throw tooLong(`${count} ${what}; the protocol ends at ${COUNT_MAX}`);
}

export function valuesBytes(values: readonly Value[]): number {
  let bytes = 4 * values.length;
  for (const value of values) {
    if (value !== null) bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  }
  return bytes;
}

export function putValues(frame: Buffer, from: number, values: readonly Value[]): number {
  let at = from;
  for (const value of values) {
    if (value === null) {
      at = frame.writeInt32BE(-1, at);
    } else {
      const written = typeof value === 'string' ? frame.write(value, at + 4) : value.copy(frame, at + 4);
      at = frame.writeInt32BE(written, at) + written;
    }
  }
  return at;
}

export function putInt16s(frame: Buffer, from: number, numbers: readonly number[]): number {
  let at = from;
  for (const number of numbers) at = frame.writeInt16BE(number, at);
  return at;
}

export function putUInt32s(frame: Buffer, from: number, numbers: readonly number[]): number {
  let at = from;
  for (const number of numbers) at = frame.writeUInt32BE(number, at);
  return at;
}
