/**
 * What the message readers share: each takes the place where a field begins and gives the place behind it, or throws
 * `wire.malformed`. Nothing is read past the end of the frame, whatever the lengths inside it say.
 */

import { HEADER_BYTES } from './message-types.ts';
import { malformed } from './wire-error.ts';

export class FrameReader {
  readonly #frame: Buffer;
  readonly #what: string;
  #at = HEADER_BYTES;

  /** `what` names the message in errors. */
  constructor(frame: Buffer, what: string) {
    this.#frame = frame;
    this.#what = what;
    if (frame.length < HEADER_BYTES) throw malformed(what, 'it has no header');
  }

  /** The place of the next field in the frame. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#frame.length - this.#at;
  }

  bytes(count: number): Buffer {
    const from = this.#advance(count);
    return this.#frame.subarray(from, this.#at);
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }

  skip(count: number): void {
    this.#advance(count);
  }

  byte(): number {
    return this.#frame[this.#advance(1)] as number;
  }

  int16(): number {
    return this.#frame.readInt16BE(this.#advance(2));
  }

  /** Counts are unsigned on the wire: a query may have 65535 parameters. */
  count(): number {
    return this.#frame.readUInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#frame.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.#frame.readUInt32BE(this.#advance(4));
  }

  /** A value with its length in front; -1 is NULL. */
  value(): Buffer | null {
    const length = this.int32();
    if (length === -1) return null;
    if (length < -1) throw this.fail(`a value of ${length} bytes`);
    return this.bytes(length);
  }

  /** The bytes up to the next NUL, which is skipped. */
  textBytes(): Buffer {
    const from = this.#at;
    const end = this.#frame.indexOf(0, from);
    if (end < 0) throw this.fail('a text is not terminated');
    this.#at = end + 1;
    return this.#frame.subarray(from, end);
  }

  text(): string {
    return this.textBytes().toString('utf8');
  }

  /** A name as a string of bytes (latin1), which comes out as it went in whatever its encoding. */
  name(): string {
    // The unnamed statement and portal are the usual ones.
    if (this.#frame[this.#at] === 0) {
      this.#at += 1;
      return '';
    }
    return this.textBytes().toString('latin1');
  }

  /** Bytes behind the last field would be a message in a message: they are never ignored. */
  end(): void {
    if (this.left !== 0) throw this.fail(`${this.left} bytes follow its last field`);
  }

  fail(why: string): Error {
    return malformed(this.#what, why);
  }

  #advance(count: number): number {
    if (count > this.left) throw this.fail('it ends in the middle of a field');
    const from = this.#at;
    this.#at = from + count;
    return from;
  }
}
