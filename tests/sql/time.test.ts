/** No text holds up everybody else: what would take the parser long is not given to it. */

import { describe, expect, test } from 'vitest';
import { dependsOnSchema } from '../../src/sql/index.ts';
import { classifyOne } from './a-classifier.ts';

const bytes = 250_000;
const filled = (piece: string, size = bytes): string => piece.repeat(Math.floor(size / piece.length));

/** Each took seconds to minutes. */
const hostile: Readonly<Record<string, string>> = {
  'comments in comments': `SELECT 1 ${filled('/*')}`,
  'comments in comments that end': `SELECT 1 ${filled('/*', 120_000)}${filled('*/', 120_000)}`,
  'comments in comments behind a quote in one': `SELECT 1 /* it's */ ${filled('/*')}`,
  'stars in a comment': `SELECT 1 /${filled('*')}/`,
  signs: `SELECT 1 ${filled('+')} 1`,
  'signs of several kinds': `SELECT 1 ${filled('@+-<')} 1`,
  'signs behind a string': `SELECT 'a''b', E'c\\'d', "e""f", $g$h$g$, 1 ${filled('-+')} 1`,
  'comments in the comments of a block': `DO '${filled('/*')}'`,
  'comments in the comments of a block in dollars': `DO $$ BEGIN ${filled('/*')} END $$`,
  'signs in a block': `DO $$ BEGIN PERFORM 1 ${filled('+')} 1; END $$`,
  'signs in the body of a function': `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS '${filled('/*')}'`,
  'words that would reset all': `DO '${filled('reset all x ')}'`,
  'comments about resetting all': `DO '${filled('-- reset all\n')}'`,
  'blanks between them': `DO 'reset ${filled(' ')} all'`,
};

/** Far above what any of them takes, and far below what each took: machines are shared. */
const longMs = 1000;

describe('sql: time', () => {
  test.each(Object.entries(hostile))('%s', (_, sql) => {
    classifyOne('SELECT 1');
    const since = performance.now();
    const { kind, refusal } = classifyOne(sql);
    expect(performance.now() - since).toBeLessThan(longMs);
    expect(
      ['read', 'write', 'ddl', 'refused', 'too-large', 'unparsable'],
      `${kind} ${refusal?.message}`,
    ).toContain(kind);
  });

  test('words that would alter something, in a text that is judged by the schema', () => {
    const sql = `COMMENT ON TABLE t IS '${filled('alter ')}'`;
    const statement = classifyOne(sql);
    const since = performance.now();
    expect(dependsOnSchema(statement, Buffer.from(sql))).toBe(false);
    expect(performance.now() - since).toBeLessThan(longMs);
  });

  test('lines drawn with signs are no such texts', () => {
    const line = '='.repeat(900);
    expect(classifyOne(`/*${line}*/ SELECT 1 /* ${line} */ -- ${filled('+')}\n`).kind).toBe('read');
    expect(
      classifyOne(`SELECT '${filled('/*', 5000)}', $a$${filled('+', 5000)}$a$, "${filled('<', 5000)}" FROM t`)
        .kind,
    ).toBe('read');
    expect(
      classifyOne(`CREATE VIEW v AS SELECT 1 - -1, 2/*${line}*/*2 AS a, '${filled('=', 5000)}' AS b`).kind,
    ).toBe('ddl');
  });
});
