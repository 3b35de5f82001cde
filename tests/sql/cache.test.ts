import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Classifier } from '../../src/sql/index.ts';
import type { FunctionCatalog, Statement, Volatility } from '../../src/sql/index.ts';
import { ClassificationCache } from '../../src/sql/classification-cache.ts';
import { Lexer } from '../../src/sql/lexer.ts';
import { classifier as warm, someFunctions } from './a-classifier.ts';
import { statementTable } from './statement-table.ts';

const cold = await Classifier.load();
let coldVersion = 0;

/** As if it were the first statement ever: another version empties the cache. */
function classifyCold(sql: Buffer, standardConformingStrings = true): readonly Statement[] {
  coldVersion++;
  return cold.classify(sql, { ...someFunctions, version: coldVersion }, { standardConformingStrings });
}

const lexer = new Lexer();

function keyOf(sql: string): string | undefined {
  return lexer.read(Buffer.from(sql), true) ? lexer.key : undefined;
}

const plainText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    "'",
    "''",
    '; COMMIT; --',
    '/*',
    '*/',
    '--',
    '$$',
    '\\',
    "\\'",
    'now',
    'é',
    'e',
    '"',
    'off',
  ),
);
const literal = fc.oneof(
  fc.integer({ min: 0 }).map(String),
  fc.constantFrom('1.5', '.5', '1e10', '1.5E-3', '0x1F', '0b101', '1_000', '99999999999999999999'),
  plainText.map((value) => `'${value.replaceAll('\0', '').replaceAll("'", "''")}'`),
  plainText.map(
    (value) => `E'${value.replaceAll('\0', '').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
  ),
  plainText.map((value) => `$q$${value.replaceAll('\0', '').replaceAll('$', '')}$q$`),
);

const fragment = fc.oneof(
  { weight: 4, arbitrary: literal },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'a',
      'b',
      't.c',
      '"T"',
      '$1',
      'now()',
      "nextval('s')",
      'lower(a)',
      'f(1, 2)',
      'NULL',
      'ctid',
      '(1, 2)',
      "'a'::regclass",
      'random()',
      'count(*)',
    ),
  },
);
const gap = fc.constantFrom(' ', '\n', '  ', ' /* x */ ', ' -- y\n', '\t');
const query = fc
  .record({
    head: fc.constantFrom(
      'SELECT',
      'select',
      'VALUES (',
      'SELECT DISTINCT',
      'INSERT INTO t VALUES (',
      '(SELECT',
    ),
    items: fc.array(fragment, { minLength: 1, maxLength: 6 }),
    comma: fc.constantFrom(',', ', ', ' , ', ',\n'),
    gap,
    tail: fc.constantFrom(
      '',
      ' FROM t',
      ' FROM t FOR UPDATE',
      ' INTO x',
      ' LIMIT 5',
      ' -- end',
      ';',
      ' ; ; ',
    ),
  })
  .map(({ head, items, comma, gap: blank, tail }) => {
    const close = head.includes('(') ? ')' : '';
    return `${head}${blank}${items.join(comma)}${close}${tail}`;
  });

function facts(statements: readonly Statement[]): readonly object[] {
  return statements.map(({ start: _start, end: _end, ...rest }) => rest);
}

describe('sql: cache', () => {
  it('a text that begins with a backslash is not taken for the text behind it', () => {
    const long = warm.classify(Buffer.from('\\\0'), someFunctions);
    const short = warm.classify(Buffer.from('\0'), someFunctions, { standardConformingStrings: false });
    expect([long[0]?.end, short[0]?.end]).toEqual([2, 1]);
  });

  it('a warm answer is the cold answer, whatever the literals, blanks and comments', () => {
    let parsed = 0;
    fc.assert(
      fc.property(query, (sql) => {
        const text = Buffer.from(sql);
        const expected = classifyCold(text);
        const actual = warm.classify(text, someFunctions);
        // A syntax error may get its valid sibling's answer: any member will report it.
        if (expected[0]?.kind === 'unparsable') return;
        parsed++;
        expect(actual).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
    expect(parsed).toBeGreaterThan(1500);
  });

  it('no literal in any known statement decides its class under the same key', () => {
    const rows = Object.values(statementTable).flat();
    fc.assert(
      fc.property(
        fc.constantFrom(...rows),
        fc.array(literal, { minLength: 8, maxLength: 8 }),
        ([sql], literals) => {
          let next = 0;
          const mutated = sql.replaceAll(
            /(?<![\w$&])(?:'[^']*'|\d+(?:\.\d+)?)(?!\w)/g,
            () => literals[next++ % 8]!,
          );
          const key = keyOf(sql);
          if (key === undefined || key !== keyOf(mutated)) return;
          const expected = classifyCold(Buffer.from(mutated));
          if (expected[0]?.kind === 'unparsable') return;
          expect(facts(expected), mutated).toEqual(facts(classifyCold(Buffer.from(sql))));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('known statements that share a key share their class', () => {
    const seen = new Map<string, readonly object[]>();
    for (const [sql] of Object.values(statementTable).flat()) {
      const key = keyOf(sql);
      const answer = classifyCold(Buffer.from(sql));
      if (key === undefined || answer[0]?.kind === 'unparsable') continue;
      expect(facts(answer), sql).toEqual(seen.get(key) ?? facts(answer));
      seen.set(key, facts(answer));
    }
    expect(seen.size).toBeGreaterThan(100);
  });

  it.each([
    ["SELECT 1, 'a', 2.5 FROM t", 'SELECT 7, $$b$$ FROM t'],
    ['SELECT a  FROM t -- x', 'SELECT a\nFROM/**/t'],
    ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (2, 'b'), (3, 'c'),\n(4, 'd')"],
    ['SELECT * FROM t WHERE a IN (1, 2)', 'SELECT * FROM t WHERE a IN (3, 4, 5, 6, 7)'],
    ["SELECT E'a\\'b'", "SELECT 'c'"],
  ])('%s and its sibling share a key', (one, other) => {
    expect(keyOf(one)).toBeDefined();
    expect(keyOf(one)).toBe(keyOf(other));
  });

  it.each([
    ['SELECT a1 FROM t', 'SELECT a2 FROM t'],
    ['SELECT "a 1" FROM t', 'SELECT "a 2" FROM t'],
    ['SELECT f(1)', 'SELECT g(1)'],
    ['SELECT $1', 'SELECT $2'],
    ['SELECT a - 1', 'SELECT a + 1'],
    ['SELECT a FROM t', 'SELECT afrom t'],
    ['SELECT 1 LIMIT 1', 'SELECT 1 LIMIT 1, 2'],
    ['SELECT (1),(2),ab,5,6', 'SELECT (1),(2),ab,5'],
  ])('%s and %s have different keys', (one, other) => {
    expect(keyOf(one)).toBeDefined();
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it.each([
    "SET x = 'a'",
    'SELECT 1; SELECT 2',
    'SELECT U&"a"',
    "SELECT E'a'\n'\\'b\\''",
    "SELECT 'open",
    'SELECT 1and 2',
    'SELECT a\u0001b',
    'EXPLAIN (ANALYZE 0) SELECT 1',
  ])('the literals of %j stay in its key', (sql) => {
    expect(keyOf(sql)).toBeUndefined();
  });

  it('a syntax error is not remembered for its valid siblings', () => {
    const kind = (sql: string): string | undefined => warm.classify(Buffer.from(sql), someFunctions)[0]?.kind;
    expect(kind("SELECT 'a' 'b' FROM sibling")).toBe('unparsable');
    expect(kind("SELECT 'a'\n'b' FROM sibling")).toBe('read');
  });

  it('a changed function catalog is asked again', async () => {
    let volatility: Volatility = 'stable';
    let version = 1;
    const catalog: FunctionCatalog = {
      get version() {
        return version;
      },
      settings: [],
      everywhere: undefined,
      volatility: () => volatility,
      hidden: () => undefined,
    };
    const fresh = await Classifier.load();
    const sql = Buffer.from('SELECT f(1)');
    const kind = (): string | undefined => fresh.classify(sql, catalog)[0]?.kind;
    expect(kind()).toBe('read');
    volatility = 'volatile';
    expect(kind()).toBe('read');
    version++;
    expect(kind()).toBe('write');
  });

  it('holds no more entries and key bytes than its limits', () => {
    const cache = new ClassificationCache<number>({ entriesMax: 10, keyBytesMax: 1000 });
    for (let index = 0; index < 1000; index++) {
      cache.set(`key ${index}`, index);
      expect(cache.size).toBeLessThanOrEqual(10);
    }
    for (let index = 0; index < 100; index++) cache.set(`${index}`.padEnd(200, 'x'), index);
    expect(cache.size).toBeLessThanOrEqual(5);
    cache.set('x'.repeat(501), 1);
    expect(cache.get('x'.repeat(501))).toBeUndefined();
  });

  it('keeps what is asked for often', () => {
    const cache = new ClassificationCache<number>({ entriesMax: 10, keyBytesMax: 1000 });
    cache.set('often', 1);
    for (let index = 0; index < 1000; index++) {
      cache.set(`key ${index}`, index);
      expect(cache.get('often')).toBe(1);
    }
  });
});
