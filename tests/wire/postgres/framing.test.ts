import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError, LockstepError } from '../../../src/base/index.ts';
import { backend, Backend, Frontend, frontend, LARGE_HEAD_BYTES } from '../../../src/wire/postgres/index.ts';
import type { FrameSink } from '../../../src/wire/postgres/index.ts';
import { anyCuts, anyMessages, cut, framer, recordingSink } from './frames.ts';

const hex = (frames: readonly Buffer[]) => frames.map((frame) => frame.toString('hex'));

describe('framing: cuts', () => {
  test('however a stream is cut into chunks, the same messages come out, in pieces only by their own size', () => {
    fc.assert(
      fc.property(
        anyMessages,
        anyCuts,
        fc.integer({ min: 5, max: 10_000 }),
        (messages, cuts, wholeUpToBytes) => {
          const sink = recordingSink();
          const reader = framer({ wholeUpToBytes });
          for (const chunk of cut(Buffer.concat(messages), cuts)) reader.push(chunk, sink);
          expect(sink.messages).toEqual(hex(messages));
          expect(sink.large).toEqual(hex(messages.filter((message) => message.length > wholeUpToBytes)));
        },
      ),
    );
  });

  test('with runs, the same messages come out, and those of other types one by one', () => {
    fc.assert(
      fc.property(
        anyMessages,
        anyCuts,
        fc.integer({ min: 5, max: 10_000 }),
        (messages, cuts, wholeUpToBytes) => {
          const sink = recordingSink();
          const reader = framer({ wholeUpToBytes, runTypes: [Frontend.CopyData] });
          for (const chunk of cut(Buffer.concat(messages), cuts)) reader.push(chunk, sink);
          expect(sink.messages).toEqual(hex(messages));
          expect(sink.slices.some((frame) => frame[0] === Frontend.CopyData)).toBe(false);
        },
      ),
    );
  });

  test('a chunk may be used again by its reader once push has returned', () => {
    fc.assert(
      fc.property(anyMessages, anyCuts, (messages, cuts) => {
        const sink = recordingSink();
        const reader = framer({ wholeUpToBytes: 5000 });
        for (const chunk of cut(Buffer.concat(messages), cuts)) {
          const reused = Buffer.from(chunk);
          reader.push(reused, sink);
          reused.fill(0xff);
        }
        expect(sink.messages).toEqual(hex(messages));
      }),
    );
  });

  test('messages that lie whole in a chunk are slices of it', () => {
    const chunk = Buffer.concat([frontend.sync, frontend.query('select 1'), frontend.flush]);
    const sink = recordingSink();
    framer().push(chunk, sink);
    expect(sink.slices).toHaveLength(3);
    for (const frame of sink.slices) expect(frame.buffer).toBe(chunk.buffer);
    expect(sink.slices.map((frame) => frame.byteOffset - chunk.byteOffset)).toEqual([0, 5, 19]);
  });

  test('neighbours of a run type arrive together', () => {
    const rows = [1, 2, 3].map((i) => backend.dataRow([String(i)]));
    const sink = recordingSink();
    framer({ runTypes: [Backend.DataRow] }).push(Buffer.concat([...rows, backend.readyForQuery(0x49)]), sink);
    expect(sink.runs).toEqual([3]);
    expect(sink.messages).toHaveLength(4);
  });

  test('a message handed over is not written to by those that follow', () => {
    const sink = recordingSink();
    const reader = framer();
    for (const chunk of cut(Buffer.concat([frontend.query('first'), frontend.query('other')]), [3])) {
      reader.push(chunk, sink);
    }
    expect(hex(sink.slices)).toEqual(sink.messages);
  });
});

describe('framing: large messages', () => {
  test('the head of a large message holds enough to look at', () => {
    const message = frontend.query(Buffer.alloc(100_000, 0x20));
    for (const size of [1, 100, 4095, 4097, 65_536, 200_000]) {
      const sink = recordingSink();
      const reader = framer({ wholeUpToBytes: 8192 });
      for (const chunk of cut(message, [size])) reader.push(chunk, sink);
      expect(sink.heads[0]?.length).toBeGreaterThanOrEqual(LARGE_HEAD_BYTES);
      expect(sink.large).toEqual([message.toString('hex')]);
    }
  });

  test('a message is collected with memory that follows the bytes that came, not the length announced', () => {
    const header = Buffer.from([Frontend.Query, 0x3f, 0xff, 0xff, 0xff]);
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 50 }, () => framer({ wholeUpToBytes: 1 << 30 }));
    for (const reader of readers) reader.push(header, recordingSink());
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5 << 20);
  });
});

describe('framing: bad lengths', () => {
  test.each([0, 3, -1, -2_147_483_648, 1001, 0x7fff_ffff])('a length of %d is refused', (length) => {
    const header = Buffer.alloc(5, Frontend.Query);
    header.writeInt32BE(length, 1);
    for (const size of [1, 5]) {
      const reader = framer({ maxMessageBytes: 1000 });
      const feed = () => {
        for (const chunk of cut(header, [size])) reader.push(chunk, recordingSink());
      };
      expect(feed).toThrow(
        expect.objectContaining({ code: 'wire.bad-length', sqlState: '08P01', outcome: 'none' }) as Error,
      );
    }
  });

  test('what came before a bad length is delivered, and nothing after it', () => {
    const bad = Buffer.from([Backend.DataRow, 0, 0, 0, 1]);
    for (const runTypes of [[], [Backend.DataRow]]) {
      const sink = recordingSink();
      const reader = framer({ runTypes });
      expect(() => reader.push(Buffer.concat([backend.dataRow(['1']), bad]), sink)).toThrow(LockstepError);
      reader.push(frontend.sync, sink);
      reader.resume(sink);
      expect(sink.messages).toHaveLength(1);
    }
  });

  test('random bytes give messages or wire.bad-length, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), anyCuts, (bytes, cuts) => {
        const reader = framer({ maxMessageBytes: 5000 });
        try {
          for (const chunk of cut(Buffer.from(bytes), cuts)) reader.push(chunk, recordingSink());
        } catch (error) {
          expect(error).toBeInstanceOf(LockstepError);
        }
      }),
    );
  });
});

test('framing: a sink that pushes into its own framer is a fault of ours and is named', () => {
  const reader = framer();
  const sink = recordingSink();
  const nested = eachCall(sink, () => reader.push(frontend.sync, sink));
  expect(() => reader.push(frontend.sync, nested)).toThrow(InvariantError);
});

describe('framing: halting', () => {
  test('a sink that halts at every call hears nothing until it resumes, and then everything in order', () => {
    fc.assert(
      fc.property(anyMessages, anyCuts, (messages, cuts) => {
        const heard = recordingSink();
        const reader = framer({ wholeUpToBytes: 5000, runTypes: [Frontend.Sync] });
        const halting = eachCall(heard, () => {
          expect(reader.halted).toBe(false);
          reader.halt();
        });
        for (const chunk of cut(Buffer.concat(messages), cuts)) {
          const reused = Buffer.from(chunk);
          reader.push(reused, halting);
          reused.fill(0xff);
          // Every other chunk is pushed while halted.
          if (chunk.length % 2 === 0) while (reader.halted) reader.resume(halting);
        }
        while (reader.halted) reader.resume(halting);
        expect(heard.messages).toEqual(hex(messages));
        expect(reader.heldBytes).toBe(0);
      }),
    );
  });

  test('what is kept is the rest of the chunk', () => {
    const sink = recordingSink();
    const reader = framer();
    const halting = eachCall(sink, () => reader.halt());
    reader.push(Buffer.concat([frontend.sync, frontend.flush, frontend.terminate]), halting);
    expect(reader.heldBytes).toBe(10);
    reader.resume(halting);
    expect(reader.heldBytes).toBe(5);
    expect(sink.messages).toHaveLength(2);
  });

  test('resuming from inside the sink takes the halt back', () => {
    const sink = recordingSink();
    const reader = framer();
    const wavering = eachCall(sink, () => {
      reader.halt();
      reader.resume(sink);
    });
    reader.push(Buffer.concat([frontend.sync, frontend.flush, frontend.terminate]), wavering);
    expect(sink.messages).toEqual(hex([frontend.sync, frontend.flush, frontend.terminate]));
  });
});

function eachCall(sink: Required<FrameSink>, before: () => void): Required<FrameSink> {
  return {
    message: (type, frame) => (before(), sink.message(type, frame)),
    run: (type, frames, count) => (before(), sink.run(type, frames, count)),
    largeStart: (type, total, head) => (before(), sink.largeStart(type, total, head)),
    largeChunk: (chunk) => (before(), sink.largeChunk(chunk)),
    largeEnd: () => (before(), sink.largeEnd()),
  };
}
