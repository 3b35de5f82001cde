/** A schema statement waits for the schema to be known only where that could make another of it. */

import { expect, test } from 'vitest';
import { dependsOnSchema } from '../../src/sql/index.ts';
import { classifyOne } from './a-classifier.ts';

test.each([
  'ALTER TABLE t ADD c int DEFAULT f()',
  'ALTER TABLE t ADD c int DEFAULT 1 + 2',
  'ALTER TABLE t ALTER c TYPE text USING g(c)',
  "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (h('a'))",
  'SELECT 1',
  'INSERT INTO t VALUES (1)',
])('%s', (sql) => {
  expect(dependsOnSchema(classifyOne(sql))).toBe(true);
});

test.each([
  'CREATE TABLE t (a int DEFAULT f(), b text CHECK (g(b)))',
  'ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u (a) ON DELETE CASCADE',
  'ALTER TABLE t ADD c int, ADD PRIMARY KEY (a, b), ADD CHECK (f(a))',
  'ALTER TABLE t ALTER c SET DEFAULT f()',
  'CREATE INDEX ON t (f(a))',
  "COMMENT ON TABLE t IS 'alter (default) using'",
  'DROP TABLE t',
])('%s: does not', (sql) => {
  expect(dependsOnSchema(classifyOne(sql))).toBe(false);
});
