/** psql behaves as on one server: the same script there and through the node, and the same output. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { deferred } from '../../src/base/index.ts';
import { findPostgresTool } from '../../src/testing/index.ts';
import { runTool, waitFor, whyNoTool } from '../support/index.ts';
import { untilEqual, withOneAndThree } from './one-and-three.ts';

const servers = withOneAndThree();
const missing = whyNoTool('psql');

const script = String.raw`
CREATE TABLE fruit (id serial PRIMARY KEY, name text NOT NULL UNIQUE, price numeric(10,2) DEFAULT 1.50,
                    kind text CHECK (kind IN ('a', 'b')));
COMMENT ON TABLE fruit IS 'things to eat';
CREATE INDEX ON fruit (price) WHERE kind = 'a';
CREATE VIEW cheap AS SELECT * FROM fruit WHERE price < 2;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE TABLE part (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE SEQUENCE steps;
\d
\d+ fruit
\d part
\d cheap
\di
\dv
\ds
\dT
\df add
\sf add
\dP
\copy fruit(name, price, kind) from stdin csv
apple,1.20,a
pear,2.50,b
fig,,a
\.
\copy (SELECT name, price FROM fruit ORDER BY id) to stdout csv header
SELECT 'SELECT ' || n || ' AS n' FROM generate_series(1, 3) n \gexec
SELECT format('CREATE TABLE made_%s (x int)', n) FROM generate_series(1, 2) n \gexec
SELECT name, price FROM fruit \gdesc
SELECT 42 AS answer, 'x' AS letter \gset
\echo :answer :letter
SELECT name, kind, price FROM fruit ORDER BY id \crosstabview
INSERT INTO fruit (name) VALUES ('plum') RETURNING id, name \gx
SELECT 10 / (3 - nextval('steps')) AS left \watch 0.05
BEGIN;
INSERT INTO fruit (name) VALUES ('quince');
SAVEPOINT s;
INSERT INTO fruit (name) VALUES ('quince');
ROLLBACK TO s;
COMMIT;
SELECT 1 / 0;
\errverbose
\encoding latin1
SELECT length(convert_to('x', 'utf8'));
\encoding utf8
PREPARE q (int) AS SELECT $1 + 1;
EXECUTE q(4);
EXPLAIN (COSTS off) SELECT * FROM fruit WHERE id = 1;
COPY fruit TO STDOUT;
DECLARE c CURSOR FOR SELECT 1;
\set FETCH_COUNT 2
SELECT * FROM fruit ORDER BY id;
\unset FETCH_COUNT
\set AUTOCOMMIT off
INSERT INTO made_1 VALUES (1);
ROLLBACK;
INSERT INTO made_1 VALUES (2);
COMMIT;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO made_1 VALUES (3);
SELECT nothing;
INSERT INTO made_1 VALUES (4);
COMMIT;
SELECT x FROM made_1 ORDER BY x;
`;

/** What differs is the time, and the triggers by which Lockstep captures. */
function comparable(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => !/^ {4}"!lockstep_|^Triggers:$|^\w{3} \w{3} .*\(every /.test(line));
}

test.skipIf(missing)(
  'a script with the commands of psql gives the same output as on one server',
  async () => {
    const one = await runTool('psql', ['-X', '-d', servers.one.url], script);
    const three = await runTool('psql', ['-X', '-d', servers.node.url], script);
    expect(comparable(three.stdout)).toEqual(comparable(one.stdout));
    expect(comparable(three.stderr)).toEqual(comparable(one.stderr));
    expect(three.status).toBe(one.status);
    await untilEqual(servers.members);
  },
);

test.skipIf(missing)('\\copy of a large file, out and in again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-copy-'));
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  try {
    const { status, stderr } = await runTool(
      'psql',
      ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', servers.node.url],
      String.raw`
        CREATE TABLE copied (id int PRIMARY KEY, v text, d double precision);
        INSERT INTO copied SELECT n, repeat(chr(33 + n % 90), n % 200), n / 3.0 FROM generate_series(1, 20000) n;
        \copy (SELECT * FROM copied ORDER BY id) to '${first}' binary
        TRUNCATE copied;
        \copy copied from '${first}' binary
        \copy (SELECT * FROM copied ORDER BY id) to '${second}' binary
      `,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect((await readFile(second)).equals(await readFile(first))).toBe(true);
    await untilEqual(servers.members);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test.skipIf(missing)('Ctrl-C stops the statement', async () => {
  const program = findPostgresTool('psql') as string;
  const ended = deferred<string>();
  const words = ['-X', '-d', servers.node.url, '-c', 'SELECT pg_sleep(60)'];
  const child = execFile(program, words, (_error, _stdout, stderr) => ended.resolve(stderr));
  const sleeping = `SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'`;
  const asleep = async (): Promise<boolean> => {
    const answers = await Promise.all(servers.members.map((member) => member.query(sleeping)));
    return answers.flat(1).length > 0;
  };
  await waitFor(asleep, { what: 'the statement to run' });
  child.kill('SIGINT');
  expect(await ended.promise).toContain('canceling statement due to user request');
});
