/** Rows of clients are not in what operators are told of errors. */

import { expect, test } from 'vitest';
import { serverErrorText } from '../../../src/dialects/postgres/server-error-text.ts';
import { sqlStates } from '../../../src/dialects/postgres/sql-states.ts';
import type { ErrorFields } from '../../../src/wire/postgres/index.ts';

const error = (fields: Partial<ErrorFields>): ErrorFields => ({
  severity: 'ERROR',
  code: '23514',
  message: 'new row for relation "t" violates check constraint "c"',
  ...fields,
});
const hidden = { values: false };

test.each([
  ['a row', error({ detail: 'Failing row contains (1, secret).' })],
  [
    'a key',
    error({ code: '23505', message: 'duplicate key', detail: 'Key (email)=(secret) already exists.' }),
  ],
  ['a value', error({ code: '22P02', message: 'invalid input syntax for type integer: "secret"' })],
  ['words of a user', error({ code: 'P0001', message: 'secret' })],
  ['words of a user under another code', error({ message: 'secret', routine: 'exec_stmt_raise' })],
  ['a line of a copy', error({ code: '22001', where: 'COPY t, line 3, column v: "secret"' })],
  ['a statement', error({ where: 'SQL statement "INSERT INTO t VALUES (\'secret\')"' })],
])('what a server says of %s is for operators who have asked for it', (_, fields) => {
  expect(serverErrorText(fields, hidden)).not.toContain('secret');
  expect(serverErrorText(fields, { values: true })).toContain('secret');
});

test('what kind of error it was, of which table and where, is told all the same', () => {
  const fields = error({
    code: '22003',
    schema: 's',
    table: 't',
    constraint: 'c',
    where: 'COPY t, line 3: "secret"',
  });
  expect(serverErrorText(fields, hidden)).toBe('error 22003 at table s.t, constraint c (COPY t, line 3)');
  expect(serverErrorText(error({ where: 'PL/pgSQL function s.f(integer) line 3 at RAISE' }), hidden)).toBe(
    'new row for relation "t" violates check constraint "c" (PL/pgSQL function s.f(integer) line 3 at RAISE)',
  );
  const [own = ''] = Object.values(sqlStates);
  expect(serverErrorText(error({ code: own, message: 'lacks', detail: '(7)' }), hidden)).toBe('lacks: (7)');
});
