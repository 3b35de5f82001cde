/** Bytes that are no text in the encoding of the client. */

import { frontend } from '../../../src/wire/postgres/index.ts';
import type { Step } from './conversations.ts';

/** `\xff` stands for that byte, which no text in UTF-8 has. */
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const query = (text: string): readonly Buffer[] => [frontend.query(bytes(text))];

function extended(sql: string, values: readonly string[]): readonly Buffer[] {
  return [
    frontend.parse({ query: bytes(sql) }),
    frontend.bind({ values: values.map(bytes) }),
    frontend.execute(),
    frontend.sync,
  ];
}

export const encodings: Readonly<Record<string, Readonly<Record<string, readonly Step[]>>>> = {
  encodings: {
    'a read': [query(`SELECT '\xff'`), 'SELECT 1'],
    'a write': [query(`INSERT INTO t VALUES (1, '\xff')`), 'SELECT 1'],
    'the end of a character is missing': [query(`SELECT '\xe2\x82'`), query(`SELECT 1 -- \xe2\x82`)],
    'in a comment': [query('SELECT 1 /* \xff */'), query('-- \xff\nINSERT INTO t VALUES (1)')],
    'in a name': [
      query('SELECT "\xff" FROM t'),
      query('CREATE TABLE "\xff" (i int)'),
      query('SET "\xff.x" = 1'),
    ],
    'in a transaction': [
      'BEGIN',
      `INSERT INTO t VALUES (1, 'a')`,
      query(`INSERT INTO t VALUES (2, '\xff')`),
      'SELECT 1',
      'COMMIT',
      'SELECT v FROM t',
    ],
    'behind a savepoint': [
      'BEGIN',
      'SAVEPOINT s',
      query(`SELECT '\xff'`),
      'ROLLBACK TO s',
      `INSERT INTO t VALUES (1, 'a')`,
      'COMMIT',
    ],
    'one of several statements': [query(`INSERT INTO t VALUES (1, 'a'); SELECT '\xff'`), 'SELECT v FROM t'],
    'how a transaction begins, and how it ends': [
      query('BEGIN /* \xff */'),
      'SELECT 1',
      'BEGIN',
      `INSERT INTO t VALUES (1, 'a')`,
      query('COMMIT /* \xff */'),
      'SELECT 1',
      'ROLLBACK',
    ],
    'a parameter of a read': [extended('SELECT $1::text', ['\xff']), 'SELECT 1'],
    'a parameter of a write': [extended('INSERT INTO t VALUES ($1, $2)', ['1', '\xff']), 'SELECT 1'],
    'a parameter in a transaction': [
      'BEGIN',
      extended('INSERT INTO t VALUES ($1, $2)', ['1', 'a']),
      extended('INSERT INTO t VALUES ($1, $2)', ['2', '\xff']),
      extended('SELECT $1::text', ['a']),
      'ROLLBACK',
    ],
    'a parameter behind a write that is not committed yet': [
      [
        ...extended('INSERT INTO t VALUES ($1, $2)', ['1', 'a']).slice(0, 3),
        ...extended('INSERT INTO t VALUES ($1, $2)', ['2', '\xff']),
      ],
      'SELECT v FROM t',
    ],
    'a byte of zero in a parameter': [extended('INSERT INTO t VALUES ($1, $2)', ['1', 'a\0b']), 'SELECT 1'],
    'a statement to be prepared': [
      extended(`SELECT '\xff'`, []),
      extended('INSERT INTO t VALUES ($1, $2) -- \xff', ['1', 'a']),
      'SELECT 1',
    ],
    'in another encoding it is a letter': [
      `SET client_encoding = 'LATIN1'`,
      query(`INSERT INTO t VALUES (1, '\xff')`),
      extended('INSERT INTO t VALUES ($1, $2)', ['2', '\xff']),
      query(`SELECT id FROM t WHERE v = '\xff'`),
      `SET client_encoding = 'UTF8'`,
      'SELECT v FROM t',
      query(`SELECT '\xff'`),
    ],
  },
};
