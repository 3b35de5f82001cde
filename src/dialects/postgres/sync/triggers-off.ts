/**
 * Rows are written as they are. Triggers that fire even then (ALWAYS, REPLICA) would do again what they did where the rows
 * come from, and its effects are copied too: they are off meanwhile.
 */

import { quoteLiteral } from '../../../sql/index.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { SyncTable } from './sync-table.ts';

/** To be called in a transaction that has locked the table; what is not switched on again is rolled back with it. */
export async function withTriggersOff<T>(
  target: InternalConnection,
  table: SyncTable,
  work: () => Promise<T>,
): Promise<T> {
  const found = await target.rows(
    `SELECT quote_ident(tgname), tgenabled FROM pg_trigger
      WHERE tgrelid = ${quoteLiteral(table.name)}::regclass AND NOT tgisinternal AND tgenabled IN ('A', 'R')`,
  );
  const alter = async (words: (state: string) => string): Promise<void> => {
    for (const [trigger, state] of found)
      await target.query(`ALTER TABLE ${table.from} ${words(state ?? '')} TRIGGER ${trigger}`);
  };
  await alter(() => 'DISABLE');
  const result = await work();
  await alter((state) => `ENABLE ${state === 'A' ? 'ALWAYS' : 'REPLICA'}`);
  return result;
}
