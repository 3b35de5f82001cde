/**
 * Conversations in which the client waits behind messages that no Sync or Flush has followed, and those in which something
 * is refused in every state a session can be in.
 */

import { frontend } from '../../../src/wire/postgres/index.ts';
import type { Step } from './conversations.ts';

const { bind, close, copyData, copyDone, copyFail, describe, execute, flush, parse, query, sync } = frontend;

function run(sql: string, ...values: string[]): Buffer[] {
  return [parse({ query: sql }), bind({ values }), execute()];
}

/** A call by the fast path of a function that is nowhere. */
const functionCall = Buffer.from('460000000e00000000000000000000', 'hex');

const insert = "INSERT INTO t VALUES (1, 'a')";

const withoutSync: Readonly<Record<string, readonly Step[]>> = {
  'an error behind statements that succeeded': [
    { send: [...run('SELECT 1'), ...run('SELECT 1/0')], until: 'E' },
    [...run('SELECT 2'), sync],
  ],
  'a unique violation in the middle of rows': [
    { send: [...run(insert), ...run(insert), ...run('SELECT 1')], until: 'E' },
    [sync],
    'SELECT count(*) FROM t',
  ],
  'an error that this node finds': [
    { send: [...run(insert), parse({ query: 'SELEC' })], until: 'E' },
    [describe('statement'), bind({ values: [] }), execute(), sync],
    { send: [...run(insert), parse({ query: 'SELECT 1; SELECT 2' })], until: 'E' },
    [sync],
    {
      send: [
        ...run(insert),
        parse({ name: 's', query: 'SELECT 1' }),
        parse({ name: 's', query: 'SELECT 1' }),
      ],
      until: 'E',
    },
    [sync],
    'SELECT count(*) FROM t',
  ],
  'an error as the first': [
    { send: [parse({ query: 'SELEC' })], until: 'E' },
    { send: [describe('statement'), flush, sync], until: 'Z' },
    { send: [bind({ statement: 'nobody', values: [] })], until: 'E' },
    [sync],
    { send: [execute('nobody')], until: 'E' },
    [sync],
    { send: [describe('portal', 'nobody')], until: 'E' },
    [sync],
  ],
  'inside a transaction': [
    'BEGIN',
    { send: [...run(insert), ...run(insert)], until: 'E' },
    [...run('ROLLBACK'), sync],
    [...run('ROLLBACK'), sync],
  ],
  'a transaction that a pipeline begins': [
    { send: [...run('BEGIN'), ...run(insert), ...run('SAVEPOINT s'), ...run(insert)], until: 'E' },
    [sync],
    [...run('ROLLBACK TO s'), ...run('COMMIT'), sync],
    'SELECT count(*) FROM t',
  ],
  'a copy': [
    { send: [parse({ query: 'COPY t FROM STDIN' }), bind({ values: [] }), execute()], until: 'G' },
    [copyData(Buffer.from('1\ta\n')), copyDone, sync],
    'SELECT count(*) FROM t',
  ],
};

const inOneSync: Readonly<Record<string, readonly Step[]>> = {
  'what follows a statement takes it back': [
    [...run(insert), parse({ query: 'SELEC' }), sync],
    [...run(insert), bind({ statement: 'nobody', values: [] }), sync],
    [...run(insert), close('statement', 'x'), bind({ statement: 'nobody', values: [] }), sync],
    [...run(insert), close('statement', 'x'), describe('portal', 'nobody'), sync],
    [...run(insert), parse({ query: 'SELECT nothing' }), sync],
    'SELECT count(*) FROM t',
    [...run(insert), close('portal'), close('statement', ''), sync],
    'SELECT count(*) FROM t',
  ],
  'Describe behind a Parse that failed': [
    [parse({ name: 'bad', query: 'SELEC' }), describe('statement', 'bad'), sync],
    [describe('statement', 'bad'), sync],
    [parse({ name: 'bad', query: 'SELECT nothing' }), describe('statement', 'bad'), flush, sync],
    [describe('statement', 'bad'), sync],
  ],
  'a simple query behind an error waits for the Sync': [
    [...run('SELECT 1/0'), sync],
    { send: [...run('SELECT 1/0'), query('SELECT 1'), functionCall, sync], until: 'Z' },
  ],
};

const inOneString: Readonly<Record<string, readonly Step[]>> = {
  'savepoints belong to a transaction that the client has begun': [
    'SELECT 1; SAVEPOINT sp',
    'SAVEPOINT sp; SELECT 1',
    'SELECT 1; RELEASE SAVEPOINT sp',
    'SELECT 1; ROLLBACK TO SAVEPOINT sp',
    `${insert}; SAVEPOINT sp; SELECT 1`,
    'SELECT count(*) FROM t',
    'BEGIN; SAVEPOINT sp; SELECT 1; RELEASE SAVEPOINT sp; COMMIT',
    'SELECT 1; BEGIN; SAVEPOINT sp; COMMIT',
    [...run('SAVEPOINT sp'), sync],
  ],
  'VACUUM belongs to none': [
    'SELECT 1; VACUUM t',
    'VACUUM t; SELECT 1',
    `${insert}; VACUUM t`,
    'BEGIN; VACUUM t',
    'ROLLBACK',
    'ANALYZE t; SELECT 1',
    'VACUUM t;',
  ],
};

/** How a session gets into each state. */
const states: Readonly<
  Record<string, { readonly before: readonly Step[]; readonly ahead: readonly Buffer[] }>
> = {
  idle: { before: [], ahead: [] },
  open: { before: ['BEGIN'], ahead: [] },
  failed: { before: ['BEGIN', 'SELECT 1/0'], ahead: [] },
  'behind a statement': { before: [], ahead: run('SELECT 1') },
  'behind an error': { before: [{ send: run('SELECT 1/0'), until: 'E' }], ahead: [] },
  'behind an error in the same packet': { before: [], ahead: run('SELECT 1/0') },
};

/** What each state is given. A server says the same to all, or as much in other words. */
const refusable: Readonly<Record<string, readonly Buffer[]>> = {
  'a call by the fast path': [functionCall],
  'a query that is none': [query('SELEC')],
  'a query that fails': [query('SELECT 1/0')],
  'two phases': [query("PREPARE TRANSACTION 'x'")],
  'two phases, rolled back': [query("ROLLBACK PREPARED 'x'")],
  'a Parse that fails': [parse({ query: 'SELEC' })],
  'a Parse of several': [parse({ query: 'SELECT 1; SELECT 2' })],
  'a Bind of nothing': [bind({ statement: 'nobody', values: [] })],
  'a Bind of too many': [parse({ query: 'SELECT 1' }), bind({ values: ['1', '2'] })],
  'a Describe of nothing': [describe('statement', 'nobody')],
  'a Describe of no portal': [describe('portal', 'nobody')],
  'an Execute of nothing': [execute('nobody')],
  'a Close of nothing': [close('statement', 'nobody'), close('portal', 'nobody')],
  'a Flush': [flush],
  'data of a copy': [copyData(Buffer.from('x')), copyDone, copyFail('no')],
  'a COPY that fails': [query('COPY nowhere FROM STDIN')],
  'a COPY by the extended protocol that fails': run('COPY nowhere FROM STDIN'),
  'a statement that no transaction may hold': run('VACUUM t'),
};

function refusedInEachState(): Record<string, readonly Step[]> {
  const cases: Record<string, readonly Step[]> = {};
  for (const [state, { before, ahead }] of Object.entries(states)) {
    for (const [what, messages] of Object.entries(refusable)) {
      cases[`${state}: ${what}`] = [
        ...before,
        { send: [...ahead, ...messages, sync, query("SELECT 'and on'")], until: 'Z' },
        { send: [sync], until: 'Z' },
        'ROLLBACK',
      ];
    }
  }
  return cases;
}

export const pipelines = {
  'pipelines without Sync': withoutSync,
  'pipelines up to a Sync': inOneSync,
  'statements in one string': inOneString,
  'refused in each state': refusedInEachState(),
};
