/**
 * Cuts a byte stream into the messages of protocol 3, in either direction, once start-up is over. It knows lengths
 * and nothing else.
 *
 * A message that lies whole in the chunk is handed on as a slice of it. One that spans chunks is collected. One larger
 * than `wholeUpToBytes` is passed through in pieces, so that its size costs no memory.
 */

import { invariant } from '../../base/index.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { HEADER_BYTES } from './message-types.ts';
import { badLength } from './wire-error.ts';

export interface FrameSink {
  /** A whole message. `frame` includes the header and may be a slice of the chunk that was pushed. */
  message(type: number, frame: Buffer): void;
  /** Instead of `message`, for the types in `runTypes`: `count` whole messages of one type, side by side in one slice. */
  run?(type: number, frames: Buffer, count: number): void;
  /** A message larger than `wholeUpToBytes` begins; `head` is its first LARGE_HEAD_BYTES or more, header included. */
  largeStart(type: number, totalBytes: number, head: Buffer): void;
  largeChunk(chunk: Buffer): void;
  largeEnd(): void;
}

export interface MessageFramerOptions {
  /** The largest value that a length field may have. */
  readonly maxMessageBytes: number;
  /** The largest message, header included, that is handed on in one piece. */
  readonly wholeUpToBytes: number;
  /**
   * Types that are passed on rather than looked at (rows, say). Neighbours are handed to `run` as one slice: making
   * the slice costs ten times as much as reading the length, and one write is cheaper than a thousand.
   */
  readonly runTypes?: readonly number[];
}

/** So much of a large message is at hand when it is announced: enough to see a statement's name or its first words. */
export const LARGE_HEAD_BYTES = 4096;

const NOT_IN_LARGE = -1;
const NOTHING = Buffer.alloc(0);

export class MessageFramer {
  readonly #maxMessageBytes: number;
  readonly #wholeUpToBytes: number;
  /** By type: 1 where messages are handed on in runs. */
  readonly #inRuns = new Uint8Array(256);
  /** The beginning of a message whose rest has not arrived. Never holds more than is to be handed on in one piece. */
  readonly #partial = new GrowingBuffer();
  /** Bytes of a large message still to come; 0 while only its end has to be told. */
  #largeLeft = NOT_IN_LARGE;
  /** Copies of what was pushed and not yet delivered because of a halt; `#heldOffset` counts in the first. */
  #held: Buffer[] = [];
  #heldOffset = 0;
  /** Messages in the slice about to be handed to `run`. */
  #runCount = 1;
  #halted = false;
  #delivering = false;
  /** A sink or a length field threw: nothing after that point can be trusted, so nothing is delivered any more. */
  #broken = false;

  constructor(options: MessageFramerOptions) {
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#wholeUpToBytes = options.wholeUpToBytes;
    for (const type of options.runTypes ?? []) this.#inRuns[type] = 1;
  }

  /** Undelivered bytes kept because of a halt. A caller that goes on pushing while halted must bound them. */
  get heldBytes(): number {
    if (this.#held.length === 0) return 0;
    return this.#held.reduce((bytes, chunk) => bytes + chunk.length, 0) - this.#heldOffset;
  }

  get halted(): boolean {
    return this.#halted;
  }

  /** Delivers what `chunk` completes. Throws `wire.bad-length`; after any throw the stream is dead. */
  push(chunk: Buffer, sink: FrameSink): void {
    if (this.#broken) return;
    invariant(!this.#delivering, 'a sink must not push into the framer that is calling it');
    if (this.#halted) {
      this.#hold(chunk, 0);
      return;
    }
    const used = this.#deliver(chunk, 0, sink);
    if (used < chunk.length) this.#hold(chunk, used);
  }

  /** Called by a sink (or anyone): nothing more is delivered until `resume`. */
  halt(): void {
    this.#halted = true;
  }

  /** What was pushed and not delivered, for another reader; this one is done. */
  takeHeld(): Buffer {
    const [first = NOTHING, ...others] = this.#held;
    this.#held = [];
    return Buffer.concat([first.subarray(this.#heldOffset), ...others]);
  }

  /** Goes on after a halt, at once with what was kept. From inside a sink it merely takes the halt back. */
  resume(sink: FrameSink): void {
    this.#halted = false;
    if (this.#broken || this.#delivering) return;
    let chunk = this.#held[0];
    while (chunk !== undefined) {
      this.#heldOffset = this.#deliver(chunk, this.#heldOffset, sink);
      if (this.#heldOffset < chunk.length) return;
      this.#held.shift();
      this.#heldOffset = 0;
      if (this.#halted) return;
      chunk = this.#held[0];
    }
    // The halt may have come with the last byte of a large message, whose end needs no byte to be told.
    this.#deliver(NOTHING, 0, sink);
  }

  /** Copied, so that a reader may use its chunk again, and only once however often the sink halts. */
  #hold(chunk: Buffer, from: number): void {
    if (from < chunk.length) this.#held.push(Buffer.from(chunk.subarray(from)));
  }

  #deliver(chunk: Buffer, offset: number, sink: FrameSink): number {
    this.#delivering = true;
    try {
      return this.#deliverFrom(chunk, offset, sink);
    } catch (error) {
      this.#broken = true;
      throw error;
    } finally {
      this.#delivering = false;
    }
  }

  /** Delivers from `offset` until the chunk is used up or the sink halts; returns how far it came. */
  #deliverFrom(chunk: Buffer, offset: number, sink: FrameSink): number {
    let at = offset;
    while (!this.#halted) {
      if (this.#largeLeft !== NOT_IN_LARGE) {
        if (this.#largeLeft > 0 && at === chunk.length) break;
        at = this.#passLarge(chunk, at, sink);
      } else if (this.#partial.length > 0) {
        at = this.#completePartial(chunk, at, sink);
        if (this.#partial.length > 0) break;
      } else {
        const available = chunk.length - at;
        const total = available < HEADER_BYTES ? HEADER_BYTES : this.#checkedTotal(chunk, at);
        const target = this.#inOnePiece(total);
        if (available < target) {
          at += this.#partial.fill(chunk, at, target);
          break;
        }
        const end = total <= this.#wholeUpToBytes ? this.#endOfRun(chunk, at, total) : at + total;
        const frames = chunk.subarray(at, end);
        at += frames.length;
        this.#begin(total, frames, sink);
      }
    }
    return at;
  }

  #completePartial(chunk: Buffer, offset: number, sink: FrameSink): number {
    let at = offset + this.#partial.fill(chunk, offset, HEADER_BYTES);
    if (this.#partial.length < HEADER_BYTES) return at;
    const total = this.#checkedTotal(this.#partial.view(), 0);
    const target = this.#inOnePiece(total);
    at += this.#partial.fill(chunk, at, target);
    if (this.#partial.length < target) return at;
    this.#runCount = 1;
    this.#begin(total, this.#partial.take(), sink);
    return at;
  }

  /** Where the messages end that are handed on together with the one of `total` bytes at `at`. Sets `#runCount`. */
  #endOfRun(chunk: Buffer, at: number, total: number): number {
    const type = chunk[at] as number;
    let end = at + total;
    this.#runCount = 1;
    if (this.#inRuns[type] !== 1) return end;
    while (chunk[end] === type && chunk.length - end >= HEADER_BYTES) {
      const length = chunk.readInt32BE(end + 1);
      // Whatever is not plainly the next of the run, bad lengths among it, is judged by the main loop.
      if (length < 4 || length >= this.#wholeUpToBytes || length > this.#maxMessageBytes) break;
      if (length >= chunk.length - end) break;
      end += length + 1;
      this.#runCount += 1;
    }
    return end;
  }

  #begin(total: number, frames: Buffer, sink: FrameSink): void {
    const type = frames[0] as number;
    if (total > this.#wholeUpToBytes) {
      this.#largeLeft = total - frames.length;
      sink.largeStart(type, total, frames);
    } else if (this.#inRuns[type] === 1) {
      invariant('run' in sink, 'a sink for a framer with run types takes runs');
      sink.run?.(type, frames, this.#runCount);
    } else {
      sink.message(type, frames);
    }
  }

  #passLarge(chunk: Buffer, at: number, sink: FrameSink): number {
    if (this.#largeLeft === 0) {
      this.#largeLeft = NOT_IN_LARGE;
      sink.largeEnd();
      return at;
    }
    const end = Math.min(chunk.length, at + this.#largeLeft);
    this.#largeLeft -= end - at;
    sink.largeChunk(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  /** How many bytes have to be together before the first of them are handed on. */
  #inOnePiece(total: number): number {
    return total <= this.#wholeUpToBytes ? total : Math.min(LARGE_HEAD_BYTES, total);
  }

  /** The size of the message at `at`, header included. Read as a signed number: a set top bit is not a huge message. */
  #checkedTotal(bytes: Buffer, at: number): number {
    const length = bytes.readInt32BE(at + 1);
    if (length < 4 || length > this.#maxMessageBytes) {
      throw badLength(
        `message of type ${nameOfType(bytes[at] as number)} announces ${length} bytes; ` +
          `from 4 to ${this.#maxMessageBytes} are allowed`,
      );
    }
    return length + 1;
  }
}

function nameOfType(type: number): string {
  return type > 0x20 && type < 0x7f
    ? `'${String.fromCharCode(type)}'`
    : `0x${type.toString(16).padStart(2, '0')}`;
}
