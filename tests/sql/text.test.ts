import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Classifier, classifyHead, quoteIdent, quoteLiteral, trailBytesOf } from '../../src/sql/index.ts';
import type { SessionReading, Statement } from '../../src/sql/index.ts';
import { constant, asNode, list } from '../../src/sql/ast.ts';
import { parseStatements } from '../../src/sql/parse.ts';
import { classifier, classify, classifyOne, someFunctions } from './a-classifier.ts';
import { statementTable } from './statement-table.ts';

function slices(sql: Buffer, statements: readonly Statement[]): readonly string[] {
  return statements.map(({ start, end }) => sql.toString('latin1', start, end));
}

function kinds(sql: string | Buffer, reading: SessionReading = {}): readonly string[] {
  return classifier.classify(Buffer.from(sql), someFunctions, reading).map(({ kind }) => kind);
}

const wholeRows = Object.entries(statementTable)
  .filter(([kind]) => kind !== 'empty' && kind !== 'unparsable')
  .flatMap(([kind, rows]) => rows.map(([sql]) => ({ kind, sql: sql.replace(/;$/, '') })))
  .filter(({ sql }) => !sql.includes('--'));

describe('sql: text: offsets', () => {
  it('cut out each statement of a script, in UTF-8 and in Latin-1', () => {
    const blank = fc.constantFrom('', ' ', '\n', ' /* é; */ ', ' -- ;\n', '\n\n');
    const piece = fc.record({
      row: fc.constantFrom(...wholeRows),
      before: blank,
      after: fc.constantFrom('', ' ', '\n'),
    });
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('utf8', 'latin1'),
        fc.boolean(),
        (pieces, encoding, closed) => {
          const parts = pieces.map(({ row, before, after }) => `${before}${row.sql}${after}`);
          const sql = Buffer.from(parts.join(';') + (closed ? ';' : ''), encoding as BufferEncoding);
          const statements = classifier.classify(sql, someFunctions);
          expect(slices(sql, statements)).toEqual(pieces.map(({ row }) => row.sql));
          expect(statements.map(({ kind }) => kind)).toEqual(pieces.map(({ row }) => row.kind));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('count bytes behind names and strings that are not ASCII', () => {
    for (const encoding of ['utf8', 'latin1'] as const) {
      const sql = Buffer.from("SELECT 'é' AS \"naïve\"; INSERT INTO größe VALUES ('ü') ;\nCOMMIT", encoding);
      const cut = classifier
        .classify(sql, someFunctions)
        .map(({ start, end }) => sql.toString(encoding, start, end));
      expect(cut).toEqual(['SELECT \'é\' AS "naïve"', "INSERT INTO größe VALUES ('ü')", 'COMMIT']);
    }
  });

  it('of a remembered statement are those of the new text', () => {
    classifyOne('SELECT 1 FROM remembered');
    const sql = '  SELECT 123456 FROM remembered ; ';
    expect(classifyOne(sql)).toMatchObject({ start: 2, end: 31 });
  });

  it('skip statements that are nothing', () => {
    expect(classify(';; SELECT 1;;\n;COMMIT;').map(({ kind }) => kind)).toEqual(['read', 'commit']);
  });

  it('of a syntax error are counted in characters', () => {
    expect(classifyOne("SELECT 'éé' FRO m x").refusal).toMatchObject({ position: 17, sqlState: '42601' });
  });
});

describe('sql: text: names', () => {
  it('come back as they were written', () => {
    expect(classifyOne('CREATE TABLE "Größe"."Straße ""x""" (a int)').createdTable).toEqual({
      schema: 'Größe',
      name: 'Straße "x"',
    });
    const latin1 = Buffer.from('CREATE TABLE größe (a int)', 'latin1');
    expect(classifier.classify(latin1, someFunctions)[0]?.createdTable).toEqual({ name: 'größe' });
  });
});

describe('sql: text: the session decides how a string ends', () => {
  const off: SessionReading = { standardConformingStrings: false };

  it('a backslash before a quote keeps the string open only without standard strings', () => {
    const sql = "SELECT 'a\\'; DELETE FROM t; --'";
    expect(kinds(sql)).toEqual(['read', 'write']);
    expect(kinds(sql, off)).toEqual(['read']);
    const reverse = "SELECT 'a\\''; DELETE FROM t; --'";
    expect(kinds(reverse)).toEqual(['read']);
    expect(kinds(reverse, off)).toEqual(['read', 'write']);
  });

  it('also in what is remembered by its text', () => {
    const sql = "SET x = 'a\\'; DELETE FROM t; --'";
    for (let round = 0; round < 2; round++) {
      expect(kinds(sql)).toEqual(['set', 'write']);
      expect(kinds(sql, off)).toEqual(['set']);
    }
  });

  it('escape strings, bit strings, names, comments and dollar quotes read the same', () => {
    const sql = `SELECT E'\\'', B'1', X'1F', "a\\", $$\\'$$ /* \\' */ FROM t -- \\'`;
    expect(kinds(sql)).toEqual(['read']);
    expect(kinds(sql, off)).toEqual(['read']);
    expect(kinds(`COMMIT; ${sql}\n; COMMIT`, off)).toEqual(['commit', 'read', 'commit']);
  });

  it('an escape string that goes on in the next line keeps its escapes', () => {
    expect(kinds("SELECT E'a'\n'b\\'; DELETE FROM t; --'")).toEqual(['read']);
  });

  it('a second byte that looks like a backslash is part of its character', () => {
    // In SJIS 0x95 0x5C is one character; E'..' would otherwise lose its closing quote to it.
    const sql = Buffer.concat([
      Buffer.from("SELECT E'"),
      Buffer.of(0x95, 0x5c),
      Buffer.from("'; DELETE FROM t; --'"),
    ]);
    expect(kinds(sql, { trailBytes: trailBytesOf('SJIS') })).toEqual(['read', 'write']);
    expect(kinds(sql, { trailBytes: trailBytesOf('GBK') })).toEqual(['read', 'write']);
    const halfWidth = Buffer.concat([
      Buffer.from("SELECT E'"),
      Buffer.of(0xb1, 0x5c),
      Buffer.from("''; COMMIT; --'"),
    ]);
    expect(kinds(halfWidth, { trailBytes: trailBytesOf('SJIS') })).toEqual(['read', 'commit']);
    expect(trailBytesOf('UTF8')).toBe('none');
    expect(trailBytesOf('SHIFT_JIS_2004')).toBe('sjis');
  });
});

describe('sql: text: garbage', () => {
  const reading = fc.record({
    standardConformingStrings: fc.boolean(),
    trailBytes: fc.constantFrom('none' as const, 'sjis' as const, 'double' as const),
  });
  const tokens = fc.constantFrom(
    "'",
    '"',
    '$$',
    '$a$',
    '/*',
    '*/',
    '--',
    '\n',
    ';',
    '(',
    ')',
    '\\',
    'E',
    'U&',
    'SELECT ',
    'é',
    '0x',
    '1e',
    '$1',
    '\0',
    ',',
    ' x ',
  );

  it('never throws and always gives statements inside the text', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
      fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.concat([Buffer.from('SELECT '), array])),
      fc.array(tokens, { maxLength: 20 }).map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, reading, (sql, how) => {
        const statements = classifier.classify(sql, someFunctions, how);
        expect(statements.length).toBeGreaterThan(0);
        let previous = 0;
        for (const { start, end } of statements) {
          expect(start).toBeGreaterThanOrEqual(previous);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual(sql.length);
          previous = end;
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('a zero byte is not parsed past', () => {
    expect(kinds('SET x = 1\0; COMMIT')).toEqual(['unparsable']);
  });

  it('nesting beyond the parser is judged from its beginning', () => {
    expect(kinds(`SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`)).toEqual(['write']);
    expect(kinds(`SELECT 1${'+1'.repeat(30_000)}`)).toEqual(['write']);
    expect(kinds(`CREATE VIEW v AS SELECT 1${'+1'.repeat(30_000)}`)).toEqual(['too-large']);
    expect(kinds('SELECT 1')).toEqual(['read']);
  });
});

describe('sql: text: too large to parse', async () => {
  const small = await Classifier.load({ parseBytesMax: 200 });
  const one = (sql: string): Statement | undefined => small.classify(Buffer.from(sql), someFunctions)[0];
  const filler = 'x'.repeat(300);

  it.each([
    'INSERT INTO t VALUES',
    'UPDATE t SET a =',
    'SELECT',
    'WITH a AS (SELECT 1) DELETE FROM t WHERE a =',
  ])('a single %s is a write', (head) => {
    expect(one(`${head} ('${filler}')`)?.kind).toBe('write');
    expect(one(`${head} ('${filler}; COMMIT');`)?.kind).toBe('write');
  });

  it.each([
    `INSERT INTO t VALUES ('${filler}'); COMMIT`,
    `SELECT '${filler}' INTO x`,
    `SELECT lo_put(1, 0, '${filler}')`,
    `INSERT INTO lockstep.commits VALUES ('${filler}')`,
    `SELECT '${filler}`,
    `DO $$ ${filler} $$`,
    `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS '${filler}'`,
    filler,
  ])('%.40s… is refused', (sql) => {
    expect(one(sql)).toMatchObject({ kind: 'too-large', refusal: { sqlState: '54000' } });
  });

  it('is judged like its short siblings once they are known', () => {
    expect(one("SELECT 'x' FROM sibling")?.kind).toBe('read');
    expect(one(`SELECT '${filler}' FROM sibling`)?.kind).toBe('read');
  });

  it('of a stream the head decides', () => {
    expect(classifyHead(Buffer.from('/* x */ insert into t values ('), 1e9)).toMatchObject({
      kind: 'write',
      tag: 'INSERT',
    });
    expect(classifyHead(Buffer.from('(select'), 1e9).kind).toBe('write');
    expect(classifyHead(Buffer.from('CREATE FUNCTION'), 1e9)).toMatchObject({
      kind: 'refused',
      refusal: { sqlState: '54000' },
    });
    expect(classifyHead(Buffer.from(''), 1e9).kind).toBe('refused');
  });
});

describe('sql: text: quoting', () => {
  function firstColumn(sql: string): unknown {
    const parsed = parseStatements(Buffer.from(sql));
    if ('failure' in parsed) throw new Error(parsed.message);
    return asNode(asNode(list(parsed[0]?.body.targetList)[0]).ResTarget);
  }
  const someText = fc
    .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom("'", '\\', "\\'", '"', "''; --"))
    .filter((value) => !value.includes('\0'));

  it('a quoted literal reads back as it was', () => {
    fc.assert(
      fc.property(someText, (value) => {
        expect(constant(asNode(firstColumn(`SELECT ${quoteLiteral(value)}`)).val)).toBe(value);
      }),
    );
  });

  it('a quoted literal ends where it ends under both settings', () => {
    fc.assert(
      fc.property(someText, (value) => {
        const sql = `COMMIT; SELECT ${quoteLiteral(value)}; COMMIT`;
        expect(kinds(sql, { standardConformingStrings: false })).toEqual(kinds(sql));
      }),
    );
  });

  it('a quoted identifier reads back as it was', () => {
    fc.assert(
      fc.property(
        someText.filter((name) => name !== '' && Buffer.byteLength(name) < 64),
        (name) => {
          expect(asNode(firstColumn(`SELECT 1 AS ${quoteIdent(name)}`)).name).toBe(name);
        },
      ),
    );
  });
});
