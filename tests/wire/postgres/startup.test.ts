import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockstepError } from '../../../src/base/index.ts';
import {
  cancelRequest,
  sslRequest,
  STARTUP_BYTES_MAX,
  startupMessage,
  StartupReader,
} from '../../../src/wire/postgres/index.ts';
import { anyCuts, cut } from './frames.ts';

const read = (bytes: Buffer) => new StartupReader().push(bytes);

function packet(code: number, body: string | Buffer = ''): Buffer {
  const rest = Buffer.from(body as string, 'latin1');
  const frame = Buffer.alloc(8 + rest.length);
  frame.writeInt32BE(frame.length, 0);
  frame.writeUInt32BE(code, 4);
  rest.copy(frame, 8);
  return frame;
}

function thrownBy(work: () => unknown): LockstepError {
  try {
    work();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const noNul = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll('\0', '') + 'x');

describe('startup: what clients send', () => {
  test('parameters come out as they went in, however the packet is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(noNul, noNul), { maxLength: 8 }), anyCuts, (parameters, cuts) => {
        const reader = new StartupReader();
        const found = [...cut(startupMessage(parameters, { minor: 2 }), cuts)].map((chunk) =>
          reader.push(chunk),
        );
        expect(found.slice(0, -1).every((packetBefore) => packetBefore === undefined)).toBe(true);
        expect(found.at(-1)).toEqual({
          kind: 'startup',
          major: 3,
          minor: 2,
          parameters: new Map(parameters),
        });
        expect(reader.takeRest()).toHaveLength(0);
      }),
    );
  });

  test('requests for encryption and cancelling are told apart', () => {
    expect(read(sslRequest())).toEqual({ kind: 'ssl-request' });
    expect(read(packet(80877104))).toEqual({ kind: 'gssenc-request' });
    for (const bytes of [4, 32, 256]) {
      const key = Buffer.alloc(bytes, 7);
      expect(read(cancelRequest(4_000_000_000, key))).toEqual({ kind: 'cancel', pid: 4_000_000_000, key });
    }
  });

  test('a start-up message behind a refused request is found by next', () => {
    const reader = new StartupReader();
    expect(reader.push(Buffer.concat([sslRequest(), startupMessage([['user', 'ann']])]))?.kind).toBe(
      'ssl-request',
    );
    expect(reader.next()?.kind).toBe('startup');
    expect(reader.next()).toBeUndefined();
  });

  test('bytes behind a packet are given back, half packets among them', () => {
    const reader = new StartupReader();
    reader.push(Buffer.concat([sslRequest(), Buffer.from('sneaked in')]));
    expect(() => reader.next()).toThrow(LockstepError);
    expect(reader.takeRest().toString()).toBe('sneaked in');
    expect(reader.takeRest()).toHaveLength(0);
  });

  test('the last of two values for one name counts', () => {
    const message = startupMessage([
      ['user', 'ann'],
      ['user', 'bob'],
    ]);
    expect(read(message)).toMatchObject({ parameters: new Map([['user', 'bob']]) });
  });
});

describe('startup: what strangers send', () => {
  test('an HTTP request is called by its name', () => {
    const error = thrownBy(() => read(Buffer.from('GET / HTTP/1.1\r\nHost: db\r\n\r\n')));
    expect(error.message).toContain('HTTP');
    expect(error.sqlState).toBe('08P01');
  });

  test('a TLS handshake without a request gets the cure as a hint', () => {
    const error = thrownBy(() => read(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])));
    expect(error.hint).toContain('sslnegotiation=postgres');
  });

  test.each([0, 4, 7, -1, STARTUP_BYTES_MAX + 1, 0x7fff_ffff])(
    'a length of %d is refused at once',
    (length) => {
      const header = Buffer.alloc(4);
      header.writeInt32BE(length, 0);
      expect(thrownBy(() => read(header))).toMatchObject({ code: 'wire.not-postgres', sqlState: '08P01' });
    },
  );

  test.each([
    ['no terminator', 'user\0ann\0x'],
    ['nothing at all', ''],
    ['a value that runs into the terminator', 'user\0ann\0'],
    ['a name without a value', 'user\0\0'],
    ['bytes behind the terminator', 'user\0ann\0\0more\0'],
    ['bytes that are not UTF-8', 'user\0\xe9\0\0'],
  ])('parameters with %s are refused', (_what, body) => {
    expect(thrownBy(() => read(packet(0x30000, body)))).toMatchObject({
      code: 'wire.malformed',
      sqlState: '08P01',
    });
  });

  test('other major versions are refused as such', () => {
    expect(thrownBy(() => read(packet(0x20000, '\0')))).toMatchObject({ sqlState: '0A000' });
  });

  test.each([
    ['a request for encryption that goes on', packet(80877103, '\0')],
    ['a cancel key that is too short', packet(80877102, '\0\0\0\0abc')],
    ['a cancel key that is too long', packet(80877102, Buffer.alloc(4 + 257))],
    ['a cancel request without a key', packet(80877102)],
  ])('%s is refused', (_what, bytes) => {
    expect(thrownBy(() => read(bytes)).code).toBe('wire.malformed');
  });

  test('random bytes give a packet or a LockstepError', () => {
    const plausible = fc.uint8Array({ maxLength: 60 }).map((body) => packet(0x30000, Buffer.from(body)));
    const anything = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(plausible, anything), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(LockstepError);
        }
      }),
    );
  });
});

test('startup: what cannot be said is not built', () => {
  expect(() => startupMessage([['user', 'a\0database\0b']])).toThrow(LockstepError);
  expect(() => startupMessage([['', 'ann']])).toThrow(LockstepError);
  expect(() => startupMessage([['user', 'x'.repeat(STARTUP_BYTES_MAX)]])).toThrow(LockstepError);
  expect(() => cancelRequest(1, Buffer.alloc(3))).toThrow(LockstepError);
  expect(() => cancelRequest(1, Buffer.alloc(257))).toThrow(LockstepError);
});
