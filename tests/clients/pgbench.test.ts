/** pgbench in all its modes; it ends with an error when any transaction fails. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findPostgres } from '../../src/testing/index.ts';
import { pgbench, psql, whyNoTool, withNode, withServers } from '../support/index.ts';
import { untilEqual } from './one-and-three.ts';

const fixture = withServers(3, { binaries: findPostgres({ prefer: 'system' }) });
const node = withNode(fixture);
const missing = whyNoTool('pgbench');
const transactionsEach = 20;
let dir = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lockstep-pgbench-'));
  await writeFile(join(dir, 'pipeline'), pipeline);
  await writeFile(join(dir, 'values'), values);
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** Statements that are sent without waiting for answers; the second half is one transaction. */
const pipeline = String.raw`
\set aid random(1, 100000)
\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance - 1 WHERE aid = :aid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :aid, 0, CURRENT_TIMESTAMP);
COMMIT;
\endpipeline
`;

/** What one statement answers, another writes. */
const values = String.raw`
\set aid random(1, 100000)
SELECT abalance AS balance, 1 AS more FROM pgbench_accounts WHERE aid = :aid \gset
\if :more
UPDATE pgbench_accounts SET abalance = :balance WHERE aid = :aid;
\endif
`;

test.skipIf(missing).each([
  ['with data of its own', ['-I', 'dtgvp']],
  [
    'with data made by the server, partitions and foreign keys',
    ['-I', 'dtGvpf', '--partitions', '3', '--partition-method', 'hash'],
  ],
])('pgbench makes its tables %s', async (_name, words) => {
  const { status, stderr } = await pgbench('-i', '-q', ...words, node.url);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(await psql(node.url, 'SELECT count(*) FROM pgbench_accounts')).toMatchObject({ stdout: '100000\n' });
});

test.skipIf(missing).each([
  ['simple', ['-M', 'simple']],
  ['extended', ['-M', 'extended']],
  ['prepared', ['-M', 'prepared']],
  ['simple-update, prepared', ['-N', '-M', 'prepared']],
  ['select-only', ['-S']],
  ['select-only, prepared', ['-S', '-M', 'prepared']],
  ['a connection for each transaction', ['-C']],
  ['at a rate', ['-R', '100', '-L', '10000']],
  ['a mix', ['-b', 'tpcb-like@2', '-b', 'select-only@5', '-b', 'simple-update']],
  ['a pipeline', ['-M', 'extended', '-f', 'pipeline']],
  ['a pipeline, prepared', ['-M', 'prepared', '-f', 'pipeline']],
  ['values from one statement to the next', ['-f', 'values']],
])('pgbench: %s', async (_name, words) => {
  const there = words.map((word, index) => (words[index - 1] === '-f' ? join(dir, word) : word));
  const load = ['-n', '-c', '4', '-j', '2', '-t', String(transactionsEach)];
  const { status, stdout } = await pgbench(...load, ...there, node.url);
  expect(status).toBe(0);
  expect(stdout).toContain(`actually processed: ${4 * transactionsEach}/${4 * transactionsEach}`);
});

test.skipIf(missing)('pgbench: with VACUUM before it, and the members are equal behind it', async () => {
  const { status, stderr } = await pgbench('-c', '4', '-t', '10', node.url);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const sums = `SELECT (SELECT sum(abalance) FROM pgbench_accounts) >= (SELECT sum(tbalance) FROM pgbench_tellers),
                       (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)`;
  expect((await psql(node.url, sums)).stdout).toMatch(/\|t\n$/);
  await untilEqual(fixture.servers);
});
