import { MemberError } from '../../contract.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { SyncTable } from './sync-table.ts';

/** Within a transaction, with triggers off. False: row by row, so that what is written next cannot be written as old rows. */
export async function emptyTable(target: InternalConnection, { from }: SyncTable): Promise<boolean> {
  await target.query('SAVEPOINT emptying');
  try {
    await target.query(`TRUNCATE ${from}`);
  } catch (error) {
    // Other tables refer to it: then the server refuses TRUNCATE.
    if (!(error instanceof MemberError) || error.sqlState !== '0A000') throw error;
    await target.query(`ROLLBACK TO emptying; DELETE FROM ${from}`);
    return false;
  }
  await target.query('RELEASE emptying');
  return true;
}
