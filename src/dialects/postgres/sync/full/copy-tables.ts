/** Copies whole tables, several at a time, the largest first. The rows pass through the node as the source sends them. */

import type { TableChange } from '../../../sync-contract.ts';
import type { PostgresMember } from '../../postgres-member.ts';
import type { Crew } from '../crew.ts';
import type { PostgresSnapshot } from '../postgres-snapshot.ts';
import { demandUnchanged } from '../repair-table.ts';
import type { SyncProgress } from '../sync-progress.ts';
import { syncSettings, writingSettings } from '../sync-settings.ts';
import type { SyncTable } from '../sync-table.ts';
import { writeRows } from '../write-rows.ts';
import { sideBySide } from './side-by-side.ts';

/** Tables that the target has without indexes, constraints and triggers yet. */
export async function copyTables(options: {
  readonly crew: Crew;
  readonly snapshot: PostgresSnapshot;
  readonly target: PostgresMember;
  /** Both are of one version. */
  readonly alike: boolean;
  readonly term: number;
  readonly tables: Iterable<SyncTable>;
  readonly progress: SyncProgress;
}): Promise<readonly TableChange[]> {
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
      // What an extension brought along goes. Emptied in the same transaction, rows can be written as old ones that need no vacuum.
      await target.query(`BEGIN; TRUNCATE ${table.from}`);
      const format = options.alike && table.binary ? 'binary' : 'text';
      let counted = 0;
      const missing = await writeRows({
        source,
        target,
        targetId: options.target.id,
        table,
        where: '',
        formats: {
          out: `(FORMAT ${format})`,
          in: table.through ? `(FORMAT ${format})` : `(FORMAT ${format}, FREEZE)`,
        },
        onCopied: (messages, bytes) => {
          // In binary one or two of the messages are no rows.
          counted += messages;
          return progress.moved(table, messages, bytes);
        },
      });
      await target.query(`SELECT lockstep.fence(${term}); COMMIT`);
      // Its lock goes with it.
      await source.query('ROLLBACK');
      progress.tableDone(table, missing, counted);
      if (missing > 0) changes.push({ table: table.name, missing, extra: 0, samples: [] });
    },
  );
  return changes;
}
