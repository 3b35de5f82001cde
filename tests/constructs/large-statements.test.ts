/**
 * Statements whose changes are applied in parts, while their row triggers change other rows of the same statement: those changes are
 * captured first, and the part that has them comes before the one with the statement's own change of the row.
 */

import type { Scenario } from './scenario.ts';
import { testScenarios } from './run-scenarios.ts';

const rows = 6_000;
const filler = 'repeat(md5(i::text), 32)';

/** Fires once, for the first row of the statement, and does something to the last. */
const whenFirst = (event: string, row: 'OLD' | 'NEW', action: string): string => `
  CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql SET search_path = ":schema" AS $$
    BEGIN ${action}; RETURN NULL; END $$;
  CREATE TRIGGER meddle AFTER ${event} ON t FOR EACH ROW WHEN (${row}.id = 1 AND pg_trigger_depth() = 0) EXECUTE FUNCTION meddle()`;

const filled = (key: string, count = rows): string =>
  `CREATE TABLE t (id int ${key}, n int DEFAULT 0, v text); INSERT INTO t SELECT i, 0, ${filler} FROM generate_series(1, ${count}) i;`;

const once = { ways: ['simple'], clients: 1 } as const satisfies Partial<Scenario>;

const keys = ['PRIMARY KEY', ''] as const;

testScenarios('large statements', [
  ...keys.flatMap((key): Scenario[] => {
    const which = key === '' ? 'without a key' : 'with a key';
    return [
      {
        name: `a row of few that is changed again before its own change was captured, ${which}`,
        clients: 1,
        setup: filled(key, 5) + whenFirst('UPDATE', 'NEW', 'UPDATE t SET n = n + 10 WHERE id = 5'),
        step: (client) => client.run('UPDATE t SET n = n + 1'),
        expect: { 'SELECT n FROM t WHERE id = 5': '11', 'SELECT sum(n) FROM t': '15' },
      },
      {
        name: `a row that is changed again before its own change was captured, ${which}`,
        ...once,
        setup: filled(key) + whenFirst('UPDATE', 'NEW', `UPDATE t SET n = n + 10 WHERE id = ${rows}`),
        step: (client) => client.run('UPDATE t SET n = n + 1'),
        expect: { [`SELECT n FROM t WHERE id = ${rows}`]: '11', 'SELECT sum(n) FROM t': String(rows + 10) },
      },
      {
        name: `a row that is changed again before it was captured that it came, ${which}`,
        ...once,
        setup: `CREATE TABLE t (id int ${key}, n int DEFAULT 0, v text);
          ${whenFirst('INSERT', 'NEW', `UPDATE t SET n = 5 WHERE id = ${rows}`)}`,
        step: (client) =>
          client.run(`INSERT INTO t SELECT i, 0, ${filler} FROM generate_series(1, ${rows}) i`),
        expect: { [`SELECT n FROM t WHERE id = ${rows}`]: '5' },
      },
      {
        name: `a row that is gone before it was captured that it came or changed, ${which}`,
        ...once,
        setup: `CREATE TABLE t (id int ${key}, n int DEFAULT 0, v text);
          ${whenFirst('INSERT OR UPDATE', 'NEW', `DELETE FROM t WHERE id = ${rows} - NEW.n`)}`,
        step: async (client) => {
          await client.run(`INSERT INTO t SELECT i, 0, ${filler} FROM generate_series(1, ${rows}) i`);
          await client.run('UPDATE t SET n = n + 1');
        },
        expect: { 'SELECT count(*), max(id) FROM t': String(rows - 2) },
      },
      {
        name: `a row that comes back before it was captured that it went, ${which}`,
        ...once,
        setup:
          filled(key) +
          whenFirst('DELETE', 'OLD', `INSERT INTO t VALUES (${rows}, 7, 'back'), (${rows} - 1, 0, OLD.v)`),
        step: (client) => client.run('DELETE FROM t'),
        expect: { 'SELECT count(*) FROM t': '2', 'SELECT sum(n) FROM t': '7' },
      },
      {
        name: `a change of a row that the same transaction had changed before is overtaken, ${which}`,
        ...once,
        setup:
          filled(key) +
          whenFirst('UPDATE', 'NEW', `UPDATE t SET n = n + 10 WHERE id IN (2, ${rows}, ${rows} + 1)`),
        step: (client) =>
          client.transaction(
            `INSERT INTO t VALUES (${rows} + 1, 0, 'new')`,
            // Once large, and once so small that it is applied in one go.
            'UPDATE t SET n = n + 1',
          ),
        finish: `BEGIN; UPDATE t SET n = 100 WHERE id = ${rows}; UPDATE t SET n = n + 1 WHERE id IN (1, ${rows}); COMMIT`,
        expect: {
          [`SELECT n FROM t WHERE id = ${rows}`]: '111',
          [`SELECT n FROM t WHERE id = ${rows} + 1`]: '21',
        },
      },
    ];
  }),
  {
    name: 'a change of a very large row is overtaken',
    ...once,
    setup:
      filled('PRIMARY KEY') +
      `INSERT INTO t VALUES (${rows} + 1, 0, repeat(md5('large'), 200000));` +
      whenFirst('UPDATE', 'NEW', `UPDATE t SET n = n + 10 WHERE id = ${rows} + 1`),
    step: (client) => client.run('UPDATE t SET n = n + 1'),
    expect: { [`SELECT n FROM t WHERE id = ${rows} + 1`]: '11' },
  },
  {
    name: 'keys that move up by one, checked at the end',
    ...once,
    setup: `CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, v text); CREATE TABLE u (id int PRIMARY KEY, v text);
      INSERT INTO t SELECT i, ${filler} FROM generate_series(1, ${rows}) i; INSERT INTO u SELECT * FROM t ORDER BY id DESC`,
    step: async (client) => {
      await client.run('UPDATE t SET id = id + 1');
      await client.run('UPDATE u SET id = id + 1');
    },
    expect: { 'SELECT min(id) FROM t': '2', 'SELECT max(id) FROM u': String(rows + 1) },
  },
  {
    plainOnly: 'it copies rows with all their columns, and a generated one cannot be given',
    name: 'a table that is emptied and filled again with mostly the same rows',
    ...once,
    setup: filled('PRIMARY KEY') + 'CREATE TABLE kept AS SELECT * FROM t',
    step: (client) =>
      client.transaction(
        'UPDATE kept SET n = 1 WHERE id % 10 = 0',
        'DELETE FROM t',
        'INSERT INTO t SELECT * FROM kept',
      ),
    expect: { 'SELECT sum(n) FROM t': String(rows / 10) },
  },
]);
