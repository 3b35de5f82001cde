import { describe, expect, it } from 'vitest';
import { judgeNested } from '../../src/sql/index.ts';
import { someFunctions } from './a-classifier.ts';

const after = '"\nPL/pgSQL function ';

/** The text that is taken from the stack; or why none is. */
function taken(text: string, { outer = '', standardStrings = true } = {}): string {
  const stack = Buffer.from(`${text}${after}f() line 3 at EXECUTE${outer}`);
  const judgement = judgeNested(stack, { after, standardStrings }, someFunctions);
  return 'refusal' in judgement
    ? `refused: ${judgement.refusal.message}`
    : stack.toString('utf8', 0, judgement.length);
}

const frame = `${after}g() line 9 at EXECUTE`;
const outer = `\nSQL statement "SELECT f()${frame}`;

describe('schema statements in the call stack', () => {
  it.each([
    'CREATE TABLE t (a int)',
    'CREATE TABLE t (a int) ; ',
    `CREATE TABLE t (a text DEFAULT '${frame}')`,
    `CREATE TABLE t (a text DEFAULT E'\\'${frame}')`,
    `CREATE TABLE t (a text DEFAULT $x$${frame}$x$)`,
    `CREATE TABLE "a"${frame}""" (a int)`,
    `CREATE TABLE t (a int) /* ${frame} /* */ ${frame} */`,
    'CREATE TABLE t (a int) -- the end',
    `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '${frame}' $$`,
    'DROP TABLE "é" CASCADE',
    'DROP TABLE "Blogs"',
    'ALTER TABLE t RENAME TO "a""b"""',
    'CREATE TABLE t (a int) -- "quoted"',
    `CREATE TABLE ${frame}" (a int)`,
    `GRANT SELECT ON t TO ${frame}"`,
    'REFRESH MATERIALIZED VIEW v',
  ])('%j is taken whole', (text) => {
    expect(taken(text)).toBe(text);
    expect(taken(text, { outer })).toBe(text);
  });

  it.each([
    `DROP TABLE "x"${frame}"`,
    `CREATE VIEW v AS SELECT a ${frame}" FROM t`,
    `CREATE TABLE t (a text DEFAULT E'a'\n'b\\'${frame}')`,
    'CREATE TABLE t (a int); CREATE TABLE u (a int)',
    'CREATE TABLE t (a int); INSERT INTO t VALUES (1)',
    'INSERT INTO t VALUES (1)',
    'CREATE TABLE t AS SELECT 1',
    'CREATE VIEW v AS SELECT $1',
    'CREATE TEMP TABLE t (a int)',
    'CREATE MATERIALIZED VIEW v AS SELECT random()',
    'GRANT CONNECT ON DATABASE d TO r',
    'DROP INDEX CONCURRENTLY i',
    "CREATE TABLE t (a timestamptz DEFAULT 'now')",
    'ALTER TABLE t DISABLE TRIGGER ALL',
    'DROP TRIGGER "!lockstep_capture" ON t',
    'CREATE TABLE lockstep.t (a int)',
    'CREATE TABLE t (',
    '',
  ])('%j is refused', (text) => {
    expect(taken(text, { outer })).toMatch(/^refused: /);
  });

  it('reads strings as the session did', () => {
    const text = `CREATE TABLE t (a text DEFAULT 'a\\'${frame}')`;
    expect(taken(text, { standardStrings: true })).toMatch(/^refused: /);
    // The grammar that judges knows standard strings only.
    expect(taken(text, { standardStrings: false })).toMatch(/^refused: /);
  });

  it('without an end there is no text', () => {
    for (const stack of ['CREATE TABLE t (a int)', "CREATE TABLE t (a text DEFAULT '", 'CREATE TABLE t /*'])
      expect(judgeNested(Buffer.from(stack), { after, standardStrings: true }, someFunctions)).toHaveProperty(
        'refusal',
      );
  });
});
