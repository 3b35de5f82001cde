/** Makes the rows of a member those of a snapshot of another one, table by table, moving what differs. */

import { LockstepError } from '../../../base/index.ts';
import type { SyncJob, TableChange } from '../../sync-contract.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { Crew } from './crew.ts';
import type { OnCopied } from './copy-rows.ts';
import { isSuperuser, copyView, refresh } from './materialized-views.ts';
import type { PostgresSnapshot } from './postgres-snapshot.ts';
import { demandUnchanged, repairTable } from './repair-table.ts';
import type { RepairOptions } from './repair-table.ts';
import { giveWayToSchemaWork } from './schema-waiters.ts';
import { SyncProgress } from './sync-progress.ts';
import { syncSettings, writingSettings } from './sync-settings.ts';
import { readTables } from './sync-table.ts';
import type { SyncTable } from './sync-table.ts';

type Tables = ReadonlyMap<string, SyncTable>;

export async function diffRows(job: SyncJob, sliceRows: number): Promise<readonly TableChange[]> {
  const snapshot = job.snapshot as PostgresSnapshot;
  const member = job.target as PostgresMember;
  return await Crew.run(job.control.signal, async (crew) => {
    const source = await crew.open(snapshot.member, syncSettings);
    const target = await crew.open(
      member,
      job.dryRun ? { ...syncSettings, default_transaction_read_only: 'on' } : writingSettings,
    );
    if (!job.dryRun) await target.query(`SELECT lockstep.fence(${job.term})`);
    const done = new AbortController();
    const watch = giveWayToSchemaWork(crew, snapshot.member, done.signal);
    try {
      const [tables, views] = await snapshot.use(
        async (connection) =>
          [await readTables(connection), await readTables(connection, 'materialized views')] as const,
      );
      const progress = new SyncProgress(job.control, [...tables.values(), ...views.values()]);
      const options: RepairOptions = {
        snapshot,
        source,
        target,
        targetId: member.id,
        remarks: member.remarks,
        targetMajor: await majorOf(target),
        term: job.term,
        keeper: job.keeper,
        progress,
        dryRun: job.dryRun,
        sliceRows,
      };
      progress.enter('compare');
      const changes: TableChange[] = [];
      changes.push(...(await repairAll(options, tables, await readTables(target))));
      const stale = await repairAll(
        { ...options, dryRun: true },
        views,
        await readTables(target, 'materialized views'),
      );
      if (!job.dryRun && stale.length > 0)
        await mendViews(crew, options, { views, stale: new Set(stale.map(({ table }) => table)), member });
      return [...changes, ...stale];
    } finally {
      done.abort();
      await watch;
    }
  });
}

async function repairAll(
  options: RepairOptions,
  tables: Tables,
  targets: Tables,
): Promise<readonly TableChange[]> {
  const changes: TableChange[] = [];
  for (const table of tables.values()) {
    const there = targets.get(table.name);
    if (there === undefined || table.stored.some((column) => !there.stored.includes(column))) {
      throw new LockstepError({
        code: 'sync.schema-differs',
        message: `table ${table.name} of member ${options.snapshot.memberId} is not the same on member ${options.targetId}, so its rows cannot be compared`,
        hint: 'Rows that were repaired before stay as they are. The strategy `full` copies the schema too.',
      });
    }
    const change = await repairTable(options, table, {
      ...there,
      columns: table.columns,
      stored: table.stored,
    });
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

async function mendViews(
  crew: Crew,
  options: RepairOptions,
  found: { readonly views: Tables; readonly stale: ReadonlySet<string>; readonly member: PostgresMember },
): Promise<void> {
  const { snapshot, source, target, term, progress } = options;
  if (!(await isSuperuser(target))) return await refresh(crew, found.member, found.stale);
  for (const view of found.views.values()) {
    if (!found.stale.has(view.name)) continue;
    try {
      await source.query(snapshot.begin);
      await demandUnchanged(source, snapshot, view);
      const onCopied: OnCopied = (_, bytes) => progress.moved(view, 0, bytes);
      await copyView({ source, target, term, view, onCopied });
    } finally {
      if (source.lost === undefined) await source.query('ROLLBACK').catch(() => undefined);
    }
  }
}

async function majorOf(connection: InternalConnection): Promise<number> {
  return Math.floor(Number((await connection.rows('SHOW server_version_num'))[0]?.[0]) / 10_000);
}
