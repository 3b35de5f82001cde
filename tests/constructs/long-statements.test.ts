/** Schema statements and blocks that are too long to be examined among others: in words, and in what stands between quotes. */

import type { Scenario } from './scenario.ts';
import { testScenarios } from './run-scenarios.ts';

const remark = `-- ${'long '.repeat(140_000)}\n`;
const listed = (count: number, each: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => each(n)).join(', ');
const columns = listed(500, (n) => `c${n} int NOT NULL DEFAULT ${n} + 1 + 2`);
const numbers = `array_length(ARRAY[${listed(6000, String)}], 1)`;

const one = { clients: 1 } as const satisfies Partial<Scenario>;

testScenarios('long statements', [
  {
    name: 'a function with a long body',
    ...one,
    step: async (client) => {
      const create = 'CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql';
      await client.run(`${create} AS $$ ${remark} BEGIN RETURN 6; END $$`);
      await client.run(`${create} AS $$ ${remark} BEGIN RETURN 7; END $$`);
    },
    expect: {
      'SELECT f()': '7',
      "SELECT length(prosrc) > 700000 FROM pg_proc WHERE oid = 'f'::regproc": 't',
    },
  },
  {
    name: 'a table of many columns, and a long default',
    ...one,
    step: async (client) => {
      await client.run(`CREATE TABLE t (id int, ${columns})`);
      await client.run('INSERT INTO t (id) SELECT i FROM generate_series(1, 5) i');
      await client.run(`ALTER TABLE t ADD r float DEFAULT random(), ALTER c499 SET DEFAULT ${numbers}`);
      await client.run('INSERT INTO t (id) VALUES (6)');
    },
    expect: {
      'SELECT c499 FROM t ORDER BY id DESC LIMIT 1': '6000',
      'SELECT count(DISTINCT r) FROM t': '6',
    },
  },
  {
    name: 'a view of many words, and a table made by them',
    ...one,
    step: async (client) => {
      await client.run(`CREATE VIEW v AS SELECT ${numbers} AS s`);
      await client.run(`CREATE TABLE t AS SELECT random() AS r, ${numbers} AS s`);
    },
    expect: { 'SELECT t.s = v.s FROM t, v': 't' },
  },
  {
    name: 'long blocks',
    ...one,
    setup: 'CREATE TABLE t (id serial, r float)',
    step: async (client) => {
      await client.run(
        `DO $$ ${remark} BEGIN INSERT INTO t (r) SELECT random() FROM generate_series(1, 3); END $$`,
      );
      await client.run(
        `DO $$ BEGIN ${remark} CREATE TABLE u AS SELECT random() AS r; CREATE INDEX ON u (r); END $$`,
      );
    },
    expect: { 'SELECT count(*) FROM t': '3', 'SELECT count(*) FROM u': '1' },
  },
  {
    name: 'a long comment in a transaction',
    ...one,
    setup: 'CREATE TABLE t (id int)',
    step: (client) =>
      client.transaction(`COMMENT ON TABLE t IS '${'said '.repeat(140_000)}'`, 'INSERT INTO t VALUES (1)'),
    expect: { "SELECT length(obj_description('t'::regclass)) > 600000": 't', 'SELECT count(*) FROM t': '1' },
  },
]);
