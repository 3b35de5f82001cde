/** Every other checker of the rig convicts what it is for, and nothing else. */

import { expect, test } from 'vitest';
import { judgeAnswers, judgeMember, TortureHistory } from '../../src/testing/torture/index.ts';
import type { MemberContents } from '../../src/testing/torture/index.ts';

function toldHistory(): TortureHistory {
  const history = new TortureHistory();
  for (const [key, outcome] of [
    ['yes', 'acknowledged'],
    ['no', 'failed'],
    ['perhaps', 'unknown'],
    ['copied', 'acknowledged'],
  ] as const) {
    history.ledger.begin(key);
    history.ledger[outcome](key);
  }
  for (const outcome of ['done', 'done', 'unknown', 'none'] as const) history.count(0, outcome);
  history.tables.set('made_1', 'there').set('made_2', 'gone').set('made_3', 'unknown');
  history.tickets.push({ value: '1', session: 'a' }, { value: '2', session: 'b' });
  return history;
}

const accounts = Array.from({ length: 40 }, (_, at) => ({ id: at + 1, balance: 1000, byTransfers: 1000 }));

const sound: MemberContents = {
  id: 'db2',
  keys: ['yes', 'copied'],
  copies: [{ key: 'copied', found: 3, lines: 3 }],
  accounts,
  counters: new Map([[0, 2]]),
  tables: ['made_1'],
  lists: new Map(),
};

test.each<readonly [string, Partial<MemberContents>]>([
  ['what was told', {}],
  [
    'what was in doubt, too',
    { keys: ['yes', 'copied', 'perhaps'], counters: new Map([[0, 3]]), tables: ['made_1', 'made_3'] },
  ],
])('judge: acquits a member that has %s', (_, contents) => {
  expect(judgeMember(toldHistory(), { ...sound, ...contents })).toEqual([]);
});

test.each<readonly [string, Partial<MemberContents>, string]>([
  [
    'an acknowledged key that is missing',
    { keys: ['copied'] },
    'ledger: db2 lacks yes, which was acknowledged',
  ],
  [
    'a key that was refused',
    { keys: ['yes', 'no', 'copied'] },
    'ledger: db2 has no, of which nothing was to happen',
  ],
  [
    'a key that nobody wrote',
    { keys: ['yes', 'copied', 'taken back 1'] },
    'ledger: db2 has taken back 1, of which nothing was to happen',
  ],
  ['a key that is there twice', { keys: ['yes', 'yes', 'copied'] }, 'ledger: db2 has yes more than once'],
  [
    'half a COPY',
    { copies: [{ key: 'copied', found: 2, lines: 3 }] },
    'copies: db2 has 2 of the 3 lines of copied',
  ],
  [
    'half a transfer',
    { accounts: [...accounts.slice(1), { id: 1, balance: 990, byTransfers: 1000 }] },
    'bank: db2: account 1 has 990, and by its transfers 1000',
  ],
  ['an account that is gone', { accounts: accounts.slice(1) }, 'bank: db2 has 39 accounts'],
  [
    'a lost increment',
    { counters: new Map([[0, 1]]) },
    'counters: db2: counter 0 is 1, after 2 increments and perhaps 1 more',
  ],
  [
    'a doubled increment',
    { counters: new Map([[0, 4]]) },
    'counters: db2: counter 0 is 4, after 2 increments and perhaps 1 more',
  ],
  ['a table that is gone', { tables: [] }, 'tables: db2 lacks table made_1, whose making was acknowledged'],
  [
    'a table that was dropped',
    { tables: ['made_1', 'made_2'] },
    'tables: db2 has table made_2, which is to be gone',
  ],
  [
    'a table that nobody made',
    { tables: ['made_1', 'made_9'] },
    'tables: db2 has table made_9, which nobody made',
  ],
])('judge: convicts %s', (_, contents, verdict) => {
  const found = judgeMember(toldHistory(), { ...sound, ...contents });
  expect(found.map(({ by, what }) => `${by}: ${what}`)).toEqual([verdict]);
});

test('judge: convicts a sequence value that was given out twice, a client that hangs, and a sight that cannot be', () => {
  const history = toldHistory();
  expect(judgeAnswers(history)).toEqual([]);
  history.tickets.push({ value: '1', session: 'c' });
  history.hangs.push('c1: no answer');
  history.sightings.push('c2: the accounts add up to 7');
  expect(judgeAnswers(history)).toEqual([
    { by: 'sequences', what: '1 was given to a and to c' },
    { by: 'answers', what: 'c1: no answer' },
    { by: 'answers', what: 'c2: the accounts add up to 7' },
  ]);
});

test('judge: of many faults of one kind a few are shown, and the rest is counted', () => {
  const keys = ['yes', 'copied', ...Array.from({ length: 12 }, (_, at) => `strange${at}`)];
  const found = judgeMember(toldHistory(), { ...sound, keys });
  expect(found).toHaveLength(5);
  expect(found.at(-1)?.what).toContain('(and 7 more)');
});
