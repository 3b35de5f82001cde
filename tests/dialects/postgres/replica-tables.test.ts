/** What a member says of its own tables. */

import { expect, test } from 'vitest';
import type { ApplyPipeline } from '../../../src/dialects/postgres/apply-pipeline.ts';
import { Remarks } from '../../../src/dialects/postgres/remarks.ts';
import { ReplicaTables } from '../../../src/dialects/postgres/replica-tables.ts';

function tablesOf(columns: string, key: string | null): ReplicaTables {
  const row = [Buffer.from(columns), key === null ? null : Buffer.from(key)];
  const pipeline = { run: () => Promise.resolve({ tags: ['SELECT 1'], rows: [row] }) };
  return new ReplicaTables('db1', pipeline as unknown as ApplyPipeline, new Remarks(() => undefined));
}

test.each([
  ['[{"name":', null],
  ['5', null],
  ['[null]', null],
  ['[]', '{}'],
])('apply: a table described as %s, with the key %s, is the fault of its member', async (columns, key) => {
  await expect(tablesOf(columns, key).of({ schema: 'public', table: 'rows' })).rejects.toMatchObject({
    name: 'MemberError',
    blame: 'unfit',
    memberId: 'db1',
    message: expect.stringContaining('public.rows'),
  });
});

test('apply: a table described as servers do is known', async () => {
  const columns = '[{"name":"n","generated":"","identity":""}]';
  const table = await tablesOf(columns, null).of({ schema: 'public', table: 'rows' });
  expect(table).toMatchObject({ shown: 'public.rows', keyed: false });
});
