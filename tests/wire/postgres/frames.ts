/** Helpers of the wire tests: a sink that writes down what it is told, and ways to cut a stream. */

import * as fc from 'fast-check';
import { frontend, MessageFramer } from '../../../src/wire/postgres/index.ts';
import type { FrameSink, MessageFramerOptions } from '../../../src/wire/postgres/index.ts';

export interface Heard {
  /** Whole messages, large ones put together again, each as hex. */
  readonly messages: string[];
  /** Those of them that came in pieces. */
  readonly large: string[];
  readonly heads: Buffer[];
  readonly slices: Buffer[];
  readonly runs: number[];
}

export function recordingSink(): Required<FrameSink> & Heard {
  let pieces: Buffer[] = [];
  const heard: Heard = { messages: [], large: [], heads: [], slices: [], runs: [] };
  return {
    ...heard,
    message(type, frame) {
      if (frame[0] !== type) throw new Error('the type is not that of the frame');
      heard.slices.push(frame);
      heard.messages.push(frame.toString('hex'));
    },
    run(_type, frames, count) {
      heard.runs.push(count);
      let at = 0;
      for (let i = 0; i < count; i++) {
        const end = at + 1 + frames.readInt32BE(at + 1);
        heard.messages.push(frames.toString('hex', at, end));
        at = end;
      }
      if (at !== frames.length) throw new Error('a run holds whole messages and nothing else');
    },
    largeStart(_type, _total, head) {
      heard.heads.push(head);
      pieces = [Buffer.from(head)];
    },
    largeChunk(chunk) {
      pieces.push(Buffer.from(chunk));
    },
    largeEnd() {
      const whole = Buffer.concat(pieces).toString('hex');
      heard.messages.push(whole);
      heard.large.push(whole);
    },
  };
}

export function framer(options: Partial<MessageFramerOptions> = {}): MessageFramer {
  return new MessageFramer({ maxMessageBytes: 1 << 30, wholeUpToBytes: 1 << 20, ...options });
}

/** Message streams of all sorts of sizes, around the limits that the framer knows. */
export const anyMessages = fc.array(
  fc.oneof(
    fc.constant(frontend.sync),
    fc.integer({ min: 0, max: 40 }).map((bytes) => frontend.copyData(Buffer.alloc(bytes, bytes))),
    fc.integer({ min: 3000, max: 12_000 }).map((bytes) => frontend.copyData(Buffer.alloc(bytes, bytes))),
    fc.string({ maxLength: 20 }).map((text) => frontend.query(text.replaceAll('\0', ''))),
  ),
  { maxLength: 12 },
);

export const anyCuts = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 20 });

/** Cuts a stream into chunks of the given sizes, used again and again. */
export function* cut(stream: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const end = Math.min(stream.length, at + (sizes[i % sizes.length] as number));
    yield stream.subarray(at, end);
    at = end;
  }
}
