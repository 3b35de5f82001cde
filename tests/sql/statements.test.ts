import { describe, expect, it } from 'vitest';
import { routeReason } from '../../src/sql/index.ts';
import type { Statement } from '../../src/sql/index.ts';
import { classifyOne } from './a-classifier.ts';
import { statementTable } from './statement-table.ts';

function flagsOf(statement: Statement): object {
  const {
    start: _s,
    end: _e,
    kind: _k,
    tag: _t,
    because: _b,
    refusal: _r,
    targets: _x,
    sources: _o,
    judgedBySchema: _j,
    ...flags
  } = statement;
  return flags;
}

for (const [kind, rows] of Object.entries(statementTable)) {
  describe(`sql: ${kind}`, () => {
    it.each(rows.map(([sql, flags = {}]) => ({ sql, flags })))('$sql', ({ sql, flags }) => {
      const statement = classifyOne(sql);
      expect({ kind: statement.kind, flags: flagsOf(statement) }).toEqual({ kind, flags });
    });
  });
}

describe('sql: every statement', () => {
  const all = Object.values(statementTable).flat();

  it('says in one sentence where it goes', () => {
    for (const [sql] of all) expect(routeReason(classifyOne(sql)), sql).toMatch(/^[A-Z].*[^.]\.$/);
  });

  it('that is refused or unparsable has a message and a code', () => {
    for (const [sql] of [...(statementTable.refused ?? []), ...(statementTable.unparsable ?? [])]) {
      const { refusal } = classifyOne(sql);
      expect(refusal?.message, sql).toMatch(/.{10}/);
      expect(refusal?.sqlState, sql).toMatch(/^[0-9A-Z]{5}$/);
    }
  });

  it('has a tag unless there is no command in it', () => {
    for (const [kind, rows] of Object.entries(statementTable)) {
      if (kind === 'empty' || kind === 'unparsable') continue;
      for (const [sql] of rows) expect(classifyOne(sql).tag, sql).toMatch(/^[A-Z ]+$/);
    }
  });

  it('is the same from the cache, with other layout and comments around it', () => {
    for (const [sql] of all) {
      const { start: _s, end: _e, ...first } = classifyOne(sql);
      const { start: _s2, end: _e2, ...again } = classifyOne(sql);
      expect(again, sql).toEqual(first);
      if (first.refusal?.position !== undefined) continue;
      const { start: _s3, end: _e3, ...padded } = classifyOne(`\n/* before */ ${sql}\n`);
      expect(padded, sql).toEqual(first);
    }
  });
});

describe('sql: targets', () => {
  it.each([
    ['DROP TABLE t, s.u', [{ name: 't' }, { schema: 's', name: 'u' }]],
    ['CREATE INDEX i ON s.t (a)', [{ schema: 's', name: 't' }]],
    ['ALTER TABLE t ADD a int', [{ name: 't' }]],
    ['ALTER TABLE t RENAME TO u', [{ name: 't' }]],
    ['DROP TRIGGER g ON s.t', [{ schema: 's', name: 't' }]],
    ['CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()', [{ name: 't' }]],
    ['CREATE POLICY p ON t', [{ name: 't' }]],
    ['COMMENT ON TABLE s.t IS NULL', [{ schema: 's', name: 't' }]],
    ['GRANT SELECT ON t, s.u TO r', [{ name: 't' }, { schema: 's', name: 'u' }]],
    ['ALTER SEQUENCE s.q RESTART', [{ schema: 's', name: 'q' }]],
    ['CREATE TABLE t PARTITION OF u DEFAULT', [{ name: 'u' }]],
    ['REFRESH MATERIALIZED VIEW s.m', [{ schema: 's', name: 'm' }]],
    ['TRUNCATE a, s.b', [{ name: 'a' }, { schema: 's', name: 'b' }]],
    ['COPY s.t FROM STDIN', [{ schema: 's', name: 't' }]],
  ])('%s', (sql, targets) => {
    expect(classifyOne(sql).targets).toEqual(targets);
  });
});
