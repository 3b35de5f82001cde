import { describe, expect, it } from 'vitest';
import { classifyOne } from './a-classifier.ts';

/** Expressions that must keep a statement off the replicas. */
const hazards = [
  "nextval('s')",
  'my_volatile()',
  'no_such_function(1)',
  'app.no_such_function()',
  'pg_advisory_lock(1)',
  'pg_backend_pid()',
  "set_config('a', 'b', true)",
  'lo_create(0)',
  't.ctid',
  "'t'::regclass",
  'current_user',
  '(SELECT relname FROM pg_class)',
  '(SELECT a FROM u FOR UPDATE)',
];

/** Places in a query that hold an expression. */
const contexts: readonly ((expression: string) => string)[] = [
  (x) => `SELECT ${x}`,
  (x) => `SELECT ${x} AS a FROM t`,
  (x) => `SELECT 1 FROM t WHERE ${x} IS NULL`,
  (x) => `SELECT 1 FROM t GROUP BY ${x}`,
  (x) => `SELECT 1 FROM t GROUP BY GROUPING SETS ((a, ${x}))`,
  (x) => `SELECT 1 FROM t HAVING ${x} IS NULL`,
  (x) => `SELECT 1 FROM t ORDER BY ${x}`,
  (x) => `SELECT 1 FROM t LIMIT (SELECT ${x} FROM t)`,
  (x) => `SELECT 1 FROM t OFFSET (SELECT ${x} FROM t)`,
  (x) => `SELECT DISTINCT ON (${x}) a FROM t`,
  (x) => `SELECT 1 FROM t JOIN u ON ${x} IS NULL`,
  (x) => `SELECT 1 FROM t, LATERAL (SELECT ${x}) z`,
  (x) => `SELECT (SELECT ${x} FROM t)`,
  (x) => `SELECT EXISTS (SELECT ${x} FROM t)`,
  (x) => `SELECT a IN (SELECT ${x} FROM t) FROM u`,
  (x) => `SELECT ARRAY(SELECT ${x} FROM t)`,
  (x) => `SELECT ARRAY[1, ${x}] FROM t`,
  (x) => `SELECT a[${x}] FROM t`,
  (x) => `SELECT a[1:${x}] FROM t`,
  (x) => `SELECT ROW(1, ${x}) FROM t`,
  (x) => `SELECT (${x}, 1) = (1, 2) FROM t`,
  (x) => `SELECT coalesce(1, ${x}), greatest(1, 2) FROM t`,
  (x) => `SELECT nullif(1, ${x}) FROM t`,
  (x) => `SELECT CASE ${x} WHEN 1 THEN 2 END FROM t`,
  (x) => `SELECT CASE WHEN a THEN 1 ELSE ${x} END FROM t`,
  (x) => `SELECT CAST(${x} AS text) FROM t`,
  (x) => `SELECT -(${x}), NOT (${x}) FROM t`,
  (x) => `SELECT a BETWEEN 1 AND ${x} FROM t`,
  (x) => `SELECT a LIKE ${x} FROM t`,
  (x) => `SELECT lower(upper(${x})) FROM t`,
  (x) => `SELECT concat(VARIADIC arr => ARRAY[${x}]) FROM t`,
  (x) => `SELECT string_agg(a, ${x}) FROM t`,
  (x) => `SELECT string_agg(a, b ORDER BY ${x}) FROM t`,
  (x) => `SELECT count(*) FILTER (WHERE ${x} IS NULL) FROM t`,
  (x) => `SELECT percentile_cont(${x}) WITHIN GROUP (ORDER BY a) FROM t`,
  (x) => `SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ${x}) FROM t`,
  (x) => `SELECT sum(a) OVER (PARTITION BY ${x}) FROM t`,
  (x) => `SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY ${x})`,
  (x) => `SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN ${x} PRECEDING AND CURRENT ROW) FROM t`,
  (x) => `SELECT * FROM generate_series(1, ${x}) g, t`,
  (x) => `SELECT * FROM t, ROWS FROM (unnest(a), generate_series(1, ${x})) z`,
  (x) => `SELECT * FROM t TABLESAMPLE BERNOULLI (${x})`,
  (x) => `SELECT * FROM t TABLESAMPLE BERNOULLI (1) REPEATABLE (${x})`,
  (x) => `SELECT extract(year from ${x}), a AT TIME ZONE ${x} FROM t`,
  (x) => `SELECT substring(a from ${x}), trim(${x} from b), position(${x} in c) FROM t`,
  (x) => `SELECT xmlelement(name a, xmlattributes(${x} AS b), xmlforest(1 AS c)) FROM t`,
  (x) => `SELECT xmlserialize(content ${x} AS text) FROM t`,
  (x) => `SELECT * FROM t, XMLTABLE('/a' PASSING (${x}) COLUMNS x int) z`,
  (x) => `SELECT * FROM t, XMLTABLE('/a' PASSING b COLUMNS x int DEFAULT ${x}) z`,
  (x) => `SELECT JSON_OBJECT('a': ${x}) FROM t`,
  (x) => `SELECT JSON_ARRAY(1, ${x}) FROM t`,
  (x) => `SELECT JSON_ARRAYAGG(${x}) FROM t`,
  (x) => `SELECT JSON_OBJECTAGG('a': ${x}) FROM t`,
  (x) => `SELECT JSON_VALUE(a, '$.x' PASSING ${x} AS y) FROM t`,
  (x) => `SELECT JSON_VALUE(a, '$.x' DEFAULT ${x} ON EMPTY) FROM t`,
  (x) => `SELECT * FROM t, JSON_TABLE(${x}, '$' COLUMNS (a int)) j`,
  (x) => `SELECT (${x}) IS JSON, (${x}) IS DISTINCT FROM 1 FROM t`,
  (x) => `VALUES (1, (SELECT ${x} FROM t))`,
  (x) => `WITH z AS (SELECT ${x} FROM t) SELECT 1 FROM z`,
  (x) => `WITH RECURSIVE z AS (SELECT 1 UNION ALL SELECT ${x} FROM t, z) TABLE z`,
  (x) => `SELECT 1 UNION (SELECT 2 INTERSECT SELECT ${x} FROM t)`,
  (x) => `((SELECT ${x} FROM t)) EXCEPT SELECT 1`,
  (x) => `EXPLAIN ANALYZE SELECT ${x} FROM t`,
  (x) => `COPY (SELECT ${x} FROM t) TO STDOUT`,
];

/** Whole queries that write, and places in a query that hold one. */
const writingQueries = [
  'INSERT INTO u VALUES (1) RETURNING a',
  'UPDATE u SET a = 1 RETURNING a',
  'DELETE FROM u RETURNING a',
  'MERGE INTO u USING v ON true WHEN MATCHED THEN DELETE RETURNING u.a',
  'SELECT a FROM u FOR UPDATE',
  'SELECT a FROM u FOR KEY SHARE',
];

const queryContexts: readonly ((query: string) => string)[] = [
  (q) => `WITH z AS (${q}) SELECT 1`,
  (q) => `WITH z AS MATERIALIZED (${q}) SELECT * FROM z`,
  (q) => `WITH z AS (SELECT 1), y AS (${q}) TABLE y`,
  (q) => `WITH z AS (${q}) VALUES (1)`,
  (q) => `(WITH z AS (${q}) SELECT 1) LIMIT 1`,
  (q) => `SELECT * FROM (WITH z AS (${q}) SELECT * FROM z) y`,
  (q) => `EXPLAIN ANALYZE ${q}`,
  (q) => `EXPLAIN (VERBOSE, ANALYZE TRUE) WITH z AS (${q}) SELECT 1`,
  (q) => `COPY (${q}) TO STDOUT`,
  (q) => `PREPARE p AS ${q}`,
];

describe('sql: nothing that writes or belongs to the primary is called a read', () => {
  it.each(hazards)('wherever %s stands', (hazard) => {
    for (const context of contexts) {
      const sql = context(hazard);
      const { kind } = classifyOne(sql);
      expect(['primary-read', 'write', 'refused'], sql).toContain(kind);
      expect(classifyOne(context('1')).kind, context('1')).toBe('read');
    }
  });

  it.each(writingQueries)('wherever %s stands', (query) => {
    for (const context of queryContexts) {
      const sql = context(query);
      const statement = classifyOne(sql);
      expect(statement.queryKind ?? statement.kind, sql).toBe('write');
    }
  });

  it.each(['INTO x', 'INTO TEMP x', 'INTO UNLOGGED TABLE x'])('and no SELECT %s', (into) => {
    for (const sql of [
      `SELECT 1 ${into}`,
      `SELECT a ${into} FROM t`,
      `(SELECT a ${into} FROM t)`,
      `SELECT a ${into} FROM t UNION SELECT 2`,
      `WITH z AS (SELECT 1) SELECT * ${into} FROM z`,
      `EXPLAIN ANALYZE SELECT 1 ${into}`,
    ]) {
      expect(['create-table-as', 'temp-ddl'], sql).toContain(classifyOne(sql).kind);
    }
  });
});
