/** Copies whole tables, several at a time, the largest first. The rows pass through the node as the source sends them. */

import type { TableChange } from '../../../sync-contract.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import type { PostgresMember } from '../../postgres-member.ts';
import type { Crew } from '../crew.ts';
import { demandSameRows } from '../demand-same-rows.ts';
import { emptyTable } from '../empty-table.ts';
import { asTable } from '../materialized-views.ts';
import type { PostgresSnapshot } from '../postgres-snapshot.ts';
import { demandUnchanged } from '../repair-table.ts';
import type { SyncProgress } from '../sync-progress.ts';
import { syncSettings, writingSettings } from '../sync-settings.ts';
import type { SyncTable } from '../sync-table.ts';
import type { TablePair } from '../table-difference.ts';
import { withTriggersOff } from '../triggers-off.ts';
import { writeRows } from '../write-rows.ts';
import { sideBySide } from './side-by-side.ts';

interface CopyOptions {
  readonly crew: Crew;
  readonly snapshot: PostgresSnapshot;
  readonly target: PostgresMember;
  /** Both are of one version. */
  readonly alike: boolean;
  /** Of the target. */
  readonly major: number;
  readonly term: number;
  readonly tables: Iterable<SyncTable>;
  readonly progress: SyncProgress;
}

/** Tables, and views that are written like tables, that the target has without indexes, constraints and triggers yet. */
export async function copyTables(options: CopyOptions): Promise<readonly TableChange[]> {
  const { crew, snapshot, progress, term } = options;
  const largestFirst = [...options.tables].toSorted((a, b) => b.bytes - a.bytes);
  const changes: TableChange[] = [];
  await sideBySide(
    crew,
    largestFirst,
    async () => ({
      source: await crew.open(snapshot.member, syncSettings),
      target: await crew.open(options.target, writingSettings),
    }),
    async ({ source, target }, table) => {
      await source.query(snapshot.begin);
      await demandUnchanged(source, snapshot, table);
      const [begin, end] = table.kind === 'table' ? ['SELECT', 'SELECT'] : asTable(table);
      const format = options.alike && table.binary ? 'binary' : 'text';
      let counted = 0;
      await target.query(`BEGIN; ${begin}`);
      const missing = await withTriggersOff(target, table, async () => {
        // What an extension brought along goes. Emptied in the same transaction, rows can be written as old ones that need no vacuum.
        const fresh = await emptyTable(target, table);
        return await writeRows({
          source,
          target,
          targetId: options.target.id,
          remarks: options.target.remarks,
          table,
          where: '',
          formats: {
            out: `(FORMAT ${format})`,
            in: table.through || !fresh ? `(FORMAT ${format})` : `(FORMAT ${format}, FREEZE)`,
          },
          onCopied: (messages, bytes) => {
            // In binary one or two of the messages are no rows.
            counted += messages;
            return progress.moved(table, messages, bytes);
          },
        });
      });
      await target.query(`${end}; SELECT lockstep.fence(${term}); COMMIT`);
      await demandSame(options, { source, target }, table);
      // Its lock goes with it.
      await source.query('ROLLBACK');
      progress.tableDone(table, missing, counted);
      if (missing > 0) changes.push({ table: table.name, missing, extra: 0, samples: [] });
    },
  );
  return changes;
}

async function demandSame(
  { snapshot, target: member, major, progress }: CopyOptions,
  { source, target }: { readonly source: InternalConnection; readonly target: InternalConnection },
  table: SyncTable,
): Promise<void> {
  const { pieceBytesMax } = progress;
  const onPiece = async ({ bytes }: { readonly bytes: number }): Promise<void> =>
    await progress.moved(table, 0, bytes);
  const pair: TablePair = {
    right: { connection: source, table, major: snapshot.major, pieceBytesMax },
    other: { connection: target, table, major, pieceBytesMax },
    onPiece: { right: onPiece, other: onPiece },
    sliceRows: 1,
  };
  await demandSameRows(pair, table, { source: snapshot.memberId, target: member.id });
}
