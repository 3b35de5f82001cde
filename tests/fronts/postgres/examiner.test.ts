/** Statements that would hold up everybody else are examined in a thread of their own, and judged as short ones are. */

import { describe, expect, test } from 'vitest';
import { Examiner } from '../../../src/fronts/postgres/examiner.ts';
import { Classifier } from '../../../src/sql/index.ts';
import type { FunctionCatalog, Statement } from '../../../src/sql/index.ts';
import { classifyOne, someFunctions } from '../../sql/a-classifier.ts';

const turn = (): Promise<void> => Promise.resolve();
const classifier = await Classifier.load({ examine: new Examiner().examine });
const judge = async (sql: string, catalog = someFunctions): Promise<readonly Statement[]> =>
  await classifier.classifyInTurns(Buffer.from(sql), catalog, {}, turn);

const columns = Array.from({ length: 3000 }, (_, i) => `c${i} integer NOT NULL`).join(', ');
const body = `-- ${'x'.repeat(600_000)}\n`;

describe('examiner: statements too large for a turn', () => {
  test.each([
    ['a table of many columns', `CREATE TABLE s.t (${columns})`, 'CREATE TABLE s.t (c integer NOT NULL)'],
    [
      'a table that is made by a query',
      `CREATE TABLE t AS SELECT ${'1 + '.repeat(3000)} 1`,
      'CREATE TABLE t AS SELECT 1 + 1',
    ],
    [
      'a function with a long body',
      `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$${body} SELECT 1$$`,
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    ],
    [
      'a long block',
      `DO $$ ${body} BEGIN PERFORM setval('a', 1); END $$`,
      "DO $$ BEGIN PERFORM setval('a', 1); END $$",
    ],
    [
      'a block of schema statements',
      `DO $$ BEGIN DROP TABLE a; END $$ -- ${body}`,
      'DO $$ BEGIN DROP TABLE a; END $$',
    ],
    [
      'a column that is filled by a function of users',
      `ALTER TABLE t ADD c int DEFAULT my_volatile(), ${'ADD d int, '.repeat(2000)} ADD e int`,
      'ALTER TABLE t ADD c int DEFAULT my_volatile(), ADD e int',
    ],
    [
      'a column that is filled by a steady function of users',
      `ALTER TABLE t ADD c int DEFAULT my_immutable(), ${'ADD d int, '.repeat(2000)} ADD e int`,
      'ALTER TABLE t ADD c int DEFAULT my_immutable(), ADD e int',
    ],
    ['a refused one', `SELECT lo_create(1), ${'1 + '.repeat(5000)} 1 INTO x`, 'SELECT lo_create(1) INTO x'],
    ['one with an error', `CREATE TABLE t (${columns}, c)`, 'CREATE TABLE t (c)'],
  ])('%s', async (_, sql, short) => {
    const direct = classifier.classify(Buffer.from(sql), someFunctions);
    expect(direct).toMatchObject([{ kind: 'too-large' }]);
    const statements = await judge(`  ${sql} ;`);
    expect(statements).toMatchObject([{ start: 2 }]);
    const { start: _start, end: _end, refusal: _refusal, ...expected } = classifyOne(short);
    expect(statements).toMatchObject([expected]);
  });

  test('one of a script', async () => {
    const script = `BEGIN; CREATE TABLE t (${columns}); COMMIT`;
    expect((await judge(script)).map(({ kind }) => kind)).toEqual(['begin', 'ddl', 'commit']);
    const [, table] = await judge(script);
    expect(script.slice(table?.start, table?.end)).toBe(`CREATE TABLE t (${columns})`);
  });

  test('by the schema as it is when it has been examined', async () => {
    const sql = `ALTER TABLE t ADD c int DEFAULT f(), ${'ADD d int, '.repeat(2000)} ADD e int`;
    let version = 1;
    const catalog: FunctionCatalog = {
      ...someFunctions,
      get version() {
        return version;
      },
      volatility: () => {
        // It changes while the thread is at work.
        if (version === 1) setImmediate(() => (version = 2));
        return version === 1 ? 'immutable' : 'volatile';
      },
    };
    const [before] = await judge(sql, { ...someFunctions, volatility: () => 'immutable' });
    const [after] = await judge(sql, catalog);
    expect(before?.rewritesRows).toBeUndefined();
    expect(after?.rewritesRows).toEqual({ name: 't' });
  });

  test('what takes too long is not examined, and the next one is', async () => {
    const text = Buffer.from(`CREATE TABLE t (${columns})`);
    const hasty = new Examiner({ deadlineMs: 0 });
    expect(await hasty.examine(text, someFunctions, {})).toBeUndefined();
    const patient = new Examiner({ deadlineMs: 60_000 });
    const both = [patient.examine(text, someFunctions, {}), patient.examine(text, someFunctions, {})];
    for (const found of await Promise.all(both)) expect(found).toMatchObject([{ kind: 'ddl' }]);
  });

  test('comments in comments are not given to it, and stay refused', async () => {
    const [statement] = await judge(`CREATE TABLE t (a int) ${'/*'.repeat(200_000)}`);
    expect(statement).toMatchObject({ kind: 'too-large' });
  });
});
