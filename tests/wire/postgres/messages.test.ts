import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockstepError } from '../../../src/base/index.ts';
import * as wire from '../../../src/wire/postgres/index.ts';

const { backend, frontend } = wire;

const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map((raw) => raw.replaceAll('\0', ''));
/** Any bytes but NUL, as a latin1 string. */
const name = fc
  .array(fc.integer({ min: 1, max: 255 }), { maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes));
const bytes = fc.uint8Array({ maxLength: 40 }).map((raw) => Buffer.from(raw));
const value = fc.oneof(text, bytes, fc.constant(null));
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const int16 = fc.integer({ min: -32_768, max: 32_767 });
const kind = fc.constantFrom<wire.ObjectKind>('statement', 'portal');
const key = fc.uint8Array({ minLength: 4, maxLength: 256 }).map((raw) => Buffer.from(raw));

/** What a builder makes must be exactly one frame. */
function framed(frame: Buffer): Buffer {
  expect(frame.readInt32BE(1)).toBe(frame.length - 1);
  return frame;
}

function roundTrip<A>(arbitrary: fc.Arbitrary<A>, check: (input: A) => void): void {
  fc.assert(
    fc.property(arbitrary, (input) => {
      check(input);
    }),
  );
}

describe('messages: a client’s come out as they went in', () => {
  test('Query', () => {
    roundTrip(text, (sql) => expect(wire.readQuery(framed(frontend.query(sql))).toString()).toBe(sql));
    const latin1 = Buffer.from('select \xe9', 'latin1');
    expect(wire.readQuery(frontend.query(latin1))).toEqual(latin1);
  });

  test('Parse', () => {
    roundTrip(
      fc.tuple(name, text, fc.array(uint32, { maxLength: 5 })),
      ([statement, sql, parameterTypes]) => {
        const frame = framed(frontend.parse({ name: statement, query: sql, parameterTypes }));
        const read = wire.readParse(frame);
        expect(read.name).toBe(statement);
        expect(read.query.toString()).toBe(sql);
        const types = Array.from({ length: read.parameterTypesCount }, (_, i) =>
          frame.readUInt32BE(read.parameterTypesOffset + 4 * i),
        );
        expect(types).toEqual(parameterTypes);
      },
    );
  });

  test('Bind, whose names are read from its beginning alone', () => {
    roundTrip(fc.tuple(name, name, fc.array(value, { maxLength: 5 })), ([portal, statement, values]) => {
      const formats = values.map((one) => (Buffer.isBuffer(one) ? 1 : 0));
      const frame = framed(frontend.bind({ portal, statement, values, formats, resultFormats: [1] }));
      const { valuesOffset, ...names } = wire.readBindNames(frame);
      expect(names).toEqual({ portal, statement });
      expect(wire.readBindNames(frame.subarray(0, valuesOffset))).toEqual({
        portal,
        statement,
        valuesOffset,
      });
    });
  });

  test('Bind has the layout of the protocol', () => {
    const frame = frontend.bind({
      statement: 's',
      values: ['é', null, Buffer.from([0])],
      formats: [0, 0, 1],
    });
    const body = [
      '00',
      '7300',
      '0003000000000001',
      '0003',
      '00000002c3a9',
      'ffffffff',
      '0000000100',
      '0000',
    ].join('');
    expect(frame.toString('hex')).toBe(`42000000${(body.length / 2 + 4).toString(16)}${body}`);
  });

  test('Describe, Close, Execute', () => {
    roundTrip(fc.tuple(kind, name, fc.integer()), ([what, object, maxRows]) => {
      expect(wire.readDescribe(framed(frontend.describe(what, object)))).toEqual({
        kind: what,
        name: object,
      });
      expect(wire.readClose(framed(frontend.close(what, object)))).toEqual({ kind: what, name: object });
      expect(wire.readExecute(framed(frontend.execute(object, maxRows)))).toEqual({
        portal: object,
        maxRows,
      });
    });
  });

  test('passwords and SASL', () => {
    roundTrip(fc.tuple(text, bytes), ([word, data]) => {
      expect(wire.readPassword(framed(frontend.password(word)))).toBe(word);
      expect(
        wire.readSaslInitialResponse(framed(frontend.saslInitialResponse('SCRAM-SHA-256', data))),
      ).toEqual({
        mechanism: 'SCRAM-SHA-256',
        data,
      });
      expect(wire.readSaslResponse(framed(frontend.saslResponse(data)))).toEqual(data);
    });
  });

  test('COPY', () => {
    roundTrip(fc.oneof(text, bytes), (data) => {
      expect(framed(frontend.copyData(data)).subarray(5)).toEqual(Buffer.from(data as string));
    });
    expect(framed(frontend.copyFail('no')).toString('latin1', 5)).toBe('no\0');
    expect(
      [frontend.copyDone, frontend.sync, frontend.flush, frontend.terminate].map((one) => framed(one)[0]),
    ).toEqual([0x63, 0x53, 0x48, 0x58]);
  });
});

describe('messages: a server’s come out as they went in', () => {
  test('the login', () => {
    const salt = Buffer.from([1, 2, 3, 4]);
    const data = Buffer.from('r=x');
    const frames: [Buffer, wire.AuthenticationRequest][] = [
      [backend.authenticationOk, { kind: 'ok' }],
      [backend.authenticationCleartextPassword, { kind: 'cleartext-password' }],
      [backend.authenticationMd5Password(salt), { kind: 'md5-password', salt }],
      [backend.authenticationSasl(['A', 'B']), { kind: 'sasl', mechanisms: ['A', 'B'] }],
      [backend.authenticationSaslContinue(data), { kind: 'sasl-continue', data }],
      [backend.authenticationSaslFinal(data), { kind: 'sasl-final', data }],
      [Buffer.from([0x52, 0, 0, 0, 9, 0, 0, 0, 7, 1]), { kind: 'unsupported', code: 7 }],
    ];
    for (const [frame, request] of frames) expect(wire.readAuthentication(framed(frame))).toEqual(request);
  });

  test('session facts', () => {
    roundTrip(fc.tuple(text, text, uint32, key), ([parameter, setting, pid, secret]) => {
      const status = { name: parameter, value: setting };
      expect(wire.readParameterStatus(framed(backend.parameterStatus(parameter, setting)))).toEqual(status);
      expect(wire.readBackendKeyData(framed(backend.backendKeyData(pid, secret)))).toEqual({
        pid,
        key: secret,
      });
      const notification = { pid, channel: parameter, payload: setting };
      expect(wire.readNotification(framed(backend.notificationResponse(notification)))).toEqual(notification);
      const version = backend.negotiateProtocolVersion(2, [`_pq_.${parameter}`]);
      const expected = { minor: 2, unknownOptions: [`_pq_.${parameter}`] };
      expect(wire.readNegotiateProtocolVersion(framed(version))).toEqual(expected);
    });
    for (const status of Object.values(wire.TransactionStatus)) {
      expect(wire.readReadyForQuery(framed(backend.readyForQuery(status)))).toBe(status);
    }
  });

  test('errors and notices, all fields', () => {
    const fields = fc.record(
      {
        severity: text,
        severityCode: text,
        code: text,
        message: text,
        detail: text,
        hint: text,
        position: text,
        internalPosition: text,
        where: text,
        schema: text,
        table: text,
        constraint: text,
        routine: text,
      },
      { requiredKeys: ['severity', 'code', 'message'] },
    );
    roundTrip(fields, (error) => {
      expect(wire.readErrorFields(framed(backend.errorResponse(error)))).toEqual({ ...error });
      expect(wire.readErrorFields(framed(backend.noticeResponse(error)))).toEqual({ ...error });
    });
  });

  test('an error field with a letter nobody knows is passed over', () => {
    const body = Buffer.from('SERROR\0C42P01\0Mgone\0Zwhat\0\0');
    const frame = Buffer.concat([Buffer.from([0x45, 0, 0, 0, body.length + 4]), body]);
    expect(wire.readErrorFields(frame)).toEqual({ severity: 'ERROR', code: '42P01', message: 'gone' });
  });

  test('a description of columns that ends too early is refused, not read beyond its end', () => {
    const whole = backend.rowDescription([{ name: 'one', typeOid: 23 }]);
    expect(wire.tableOidOffsets(whole)).toHaveLength(1);
    for (const end of [whole.length - 1, 9, 7])
      expect(() => wire.tableOidOffsets(whole.subarray(0, end))).toThrow('ends in the middle');
    const more = Buffer.from(whole);
    more.writeUInt16BE(0xffff, 5);
    expect(() => wire.tableOidOffsets(more)).toThrow('ends in the middle');
  });

  test('rows and their descriptions, with the places of their OIDs', () => {
    const column = fc.record({
      name: text,
      tableOid: uint32,
      columnNumber: int16,
      typeOid: uint32,
      typeSize: int16,
      typeModifier: fc.integer(),
      format: fc.constantFrom<wire.Format>(0, 1),
    });
    roundTrip(
      fc.tuple(fc.array(column, { maxLength: 5 }), fc.array(value, { maxLength: 5 })),
      ([columns, values]) => {
        const frame = framed(backend.rowDescription(columns));
        const read = wire.readRowDescription(frame);
        expect(read).toEqual(columns.map((one, i) => ({ ...read[i], ...one })));
        for (const one of read) {
          expect(frame.readUInt32BE(one.tableOidOffset)).toBe(one.tableOid);
          expect(frame.readUInt32BE(one.typeOidOffset)).toBe(one.typeOid);
        }
        const row = wire.readDataRow(framed(backend.dataRow(values)));
        expect(row).toEqual(values.map((one) => (one === null ? null : Buffer.from(one as string))));
      },
    );
  });

  test('tags and parameter types', () => {
    roundTrip(fc.tuple(text, fc.array(uint32, { maxLength: 5 })), ([tag, typeOids]) => {
      expect(wire.readCommandTag(framed(backend.commandComplete(tag)))).toBe(tag);
      const description = framed(backend.parameterDescription(typeOids));
      expect(wire.readParameterDescription(description)).toEqual({ typeOids, offset: 7 });
    });
    const { parseComplete, bindComplete, closeComplete, noData, emptyQueryResponse, portalSuspended } =
      backend;
    const constants = [
      parseComplete,
      bindComplete,
      closeComplete,
      noData,
      emptyQueryResponse,
      portalSuspended,
    ];
    expect(constants.map((one) => String.fromCharCode(framed(one)[0] as number)).join('')).toBe('123nIs');
  });
});

describe('messages: what does not fit is not built', () => {
  const refusal = (code: string) => expect.objectContaining({ code }) as Error;

  test('a NUL cannot smuggle fields into a message', () => {
    const builds = [
      () => frontend.query('select 1\0Q'),
      () => frontend.query(Buffer.from('a\0b')),
      () => frontend.parse({ name: 'a\0b', query: '' }),
      () => frontend.password('a\0b'),
      () => backend.parameterStatus('a', 'b\0c'),
      () => backend.commandComplete('a\0'),
      () => backend.authenticationSasl(['a\0b']),
    ];
    for (const build of builds) expect(build).toThrow(refusal('wire.bad-text'));
  });

  test('a name that bytes cannot hold is refused, not bent', () => {
    expect(() => frontend.describe('statement', 'Ā')).toThrow(refusal('wire.bad-text'));
  });

  test('a count above 16 bits is refused', () => {
    const many = Array<string>(65_536).fill('');
    expect(() => frontend.bind({ values: many })).toThrow(refusal('wire.too-long'));
    expect(() => backend.dataRow(many)).toThrow(refusal('wire.too-long'));
    expect(() => frontend.bind({ values: many.slice(1) })).not.toThrow();
  });

  test('a size above 31 bits is refused before memory is taken for it', () => {
    const part = Buffer.alloc(1 << 20);
    const values = Array<Buffer>(2048).fill(part);
    expect(() => frontend.bind({ values })).toThrow(refusal('wire.too-long'));
    expect(() => backend.dataRow(values)).toThrow(refusal('wire.too-long'));
  });
});

describe('messages: readers hold out against anything', () => {
  const readers = Object.entries(wire).filter(([exported]) => exported.startsWith('read')) as [
    string,
    (frame: Buffer) => unknown,
  ][];

  test('every reader is tried', () => {
    expect(readers).toHaveLength(23);
  });

  test.each(readers)('%s gives a result or wire.malformed for random bytes', (_name, read) => {
    const anyFrame = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // Small numbers are what lengths and counts are made of.
      fc.array(fc.constantFrom(0, 0, 0, 1, 2, 5, 0x41, 0xff), { maxLength: 40 }),
    );
    fc.assert(
      fc.property(anyFrame, (raw) => {
        try {
          read(Buffer.from(raw));
        } catch (error) {
          expect(error).toBeInstanceOf(LockstepError);
          expect(error).toMatchObject({ code: 'wire.malformed', sqlState: '08P01' });
        }
      }),
      { numRuns: 300 },
    );
  });

  const whole: [string, Buffer, (frame: Buffer) => unknown][] = [
    ['Query', frontend.query('select 1'), wire.readQuery],
    ['Parse', frontend.parse({ name: 's', query: 'select $1', parameterTypes: [23] }), wire.readParse],
    ['Describe', frontend.describe('portal', 'p'), wire.readDescribe],
    ['Close', frontend.close('statement', 's'), wire.readClose],
    ['Execute', frontend.execute('p', 10), wire.readExecute],
    ['RowDescription', backend.rowDescription([{ name: 'a', typeOid: 25 }]), wire.readRowDescription],
    ['DataRow', backend.dataRow(['a', null, 'b']), wire.readDataRow],
    ['CommandComplete', backend.commandComplete('SELECT 1'), wire.readCommandTag],
    [
      'ErrorResponse',
      backend.errorResponse({ severity: 'E', code: 'C', message: 'M' }),
      wire.readErrorFields,
    ],
    ['ParameterStatus', backend.parameterStatus('a', 'b'), wire.readParameterStatus],
  ];

  test.each(whole)('%s is refused when a byte is missing or too many', (_name, frame, read) => {
    for (let end = 0; end < frame.length; end++) {
      expect(() => read(frame.subarray(0, end))).toThrow(LockstepError);
    }
    expect(() => read(Buffer.concat([frame, Buffer.from([1])]))).toThrow(LockstepError);
    expect(() => read(frame)).not.toThrow();
  });

  test('a value of negative length is refused', () => {
    const frame = backend.dataRow(['a']);
    frame.writeInt32BE(-2, 7);
    expect(() => wire.readDataRow(frame)).toThrow('a value of -2 bytes');
  });

  test('an error without its obligatory fields is refused', () => {
    const frame = Buffer.from([0x45, 0, 0, 0, 8, 0x4d, 0x61, 0, 0]);
    expect(() => wire.readErrorFields(frame)).toThrow('severity, code or message is missing');
  });
});

test('messages: an error of ours becomes fields that can be sent, whatever it quotes', () => {
  const error = new LockstepError({
    code: 'x.y',
    message: 'bad \0 text',
    hint: 'do this',
    sqlState: '42601',
  });
  const fields = wire.errorToFields(error, 'FATAL');
  expect(wire.readErrorFields(backend.errorResponse(fields))).toEqual({
    severity: 'FATAL',
    severityCode: 'FATAL',
    code: '42601',
    message: 'bad \\0 text',
    hint: 'do this',
  });
  expect(wire.errorToFields(new LockstepError({ code: 'x.y', message: 'm' }))).toMatchObject({
    severity: 'ERROR',
    code: 'XX000',
  });
});
