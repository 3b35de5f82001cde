/**
 * Columns that are computed and stored are computed anew where rows are written. So what was written is held against what it was
 * written from, where a table has such columns: a member with other values is not level.
 */

import { LockstepError } from '../../../base/index.ts';
import type { SyncTable } from './sync-table.ts';
import { compareDigests } from './table-difference.ts';
import type { TablePair } from './table-difference.ts';

export async function demandSameRows(
  pair: TablePair,
  table: SyncTable,
  members: { readonly source: string; readonly target: string },
): Promise<void> {
  if (table.stored.length === table.columns.length) return;
  const { slices } = await compareDigests(pair);
  if (slices.length === 0) return;
  const computed = table.stored.filter((column) => !table.columns.includes(column)).join(', ');
  throw new LockstepError({
    code: 'sync.computed-differs',
    message: `rows of table ${table.name} were written to member ${members.target}, which computes other values than member ${members.source} has in the generated columns ${computed}`,
    hint: 'Their expressions depend on more than the row (time zone, search path, settings). Make the functions independent of those, and write the rows anew; or turn the columns into plain ones: ALTER TABLE … ALTER COLUMN … DROP EXPRESSION. The member stays inactive.',
  });
}
