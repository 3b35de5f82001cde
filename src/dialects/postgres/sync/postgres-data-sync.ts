/** Makes PostgreSQL members level and proves them equal. See DESIGN.md beside this file. */

import type { Member } from '../../contract.ts';
import type {
  CompareRequest,
  Comparison,
  DataSync,
  Finding,
  MemberSnapshot,
  PreparedSnapshot,
  RowSampler,
  SchemaVerdict,
  SyncJob,
  TableChange,
  Unlikeness,
} from '../../sync-contract.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { compareDatabases } from './compare-databases.ts';
import { compareSnapshots } from './compare-snapshots.ts';
import { diffRows } from './diff.ts';
import { copyEverything } from './full/full.ts';
import type { DumpToolOptions } from './full/dump-tools.ts';
import { notReplaceable } from './full/replaceable.ts';
import { conclude, levelPositions, markIncomplete } from './mark.ts';
import { PostgresSnapshot } from './postgres-snapshot.ts';
import { judgeSchemas } from './schema-verdict.ts';
import { PostgresRowSampler } from './row-sampler.ts';
import { syncSettings } from './sync-settings.ts';
import { unwatchedTables, watchTables } from './unwatched-tables.ts';

export interface PostgresDataSyncOptions extends DumpToolOptions {
  /** Rows of each side that are compared one by one at a time. In the node each takes about 40 bytes. */
  readonly sliceRows?: number;
  /** How long a sequence may stand behind another member's before that counts. They are carried along about once a second. */
  readonly sequencePatienceMs?: number;
}

const sliceRowsDefault = 500_000;
const sequencePatienceMsDefault = 15_000;

export class PostgresDataSync implements DataSync {
  readonly #tools: DumpToolOptions;
  readonly #sliceRows: number;
  readonly #sequencePatienceMs: number;

  constructor(options: PostgresDataSyncOptions) {
    this.#tools = options;
    this.#sliceRows = options.sliceRows ?? sliceRowsDefault;
    this.#sequencePatienceMs = options.sequencePatienceMs ?? sequencePatienceMsDefault;
  }

  openSnapshot(member: Member): Promise<MemberSnapshot> {
    return PostgresSnapshot.open(member as PostgresMember);
  }

  prepareSnapshot(member: Member): Promise<PreparedSnapshot> {
    return PostgresSnapshot.prepare(member as PostgresMember);
  }

  async compareDatabases(snapshot: MemberSnapshot, target: Member): Promise<Unlikeness | undefined> {
    const source = snapshot as PostgresSnapshot;
    const member = target as PostgresMember;
    const connection = await member.openInternal(syncSettings);
    try {
      return await source.use((right) =>
        compareDatabases(
          { memberId: source.memberId, connection: right },
          { memberId: member.id, connection },
        ),
      );
    } finally {
      connection.close();
    }
  }

  async notReplaceable(target: Member): Promise<Pick<Unlikeness, 'reason' | 'cure'> | undefined> {
    const connection = await (target as PostgresMember).openInternal(syncSettings);
    try {
      return await notReplaceable(connection);
    } finally {
      connection.close();
    }
  }

  async compareSchema(snapshot: MemberSnapshot, target: Member): Promise<SchemaVerdict> {
    const source = snapshot as PostgresSnapshot;
    const member = target as PostgresMember;
    const connection = await member.openInternal(syncSettings);
    try {
      await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const [[version] = []] = await connection.rows('SHOW server_version_num');
      const other = { memberId: member.id, major: Math.floor(Number(version) / 10_000), connection };
      return await source.use((right) =>
        judgeSchemas({ memberId: source.memberId, major: source.major, connection: right }, other),
      );
    } finally {
      connection.close();
    }
  }

  markIncomplete(target: Member, why: string, as: { clusterId: string; term: number }): Promise<void> {
    return markIncomplete(target as PostgresMember, why, as);
  }

  diff(job: SyncJob): Promise<readonly TableChange[]> {
    return diffRows(job, this.#sliceRows);
  }

  /** Where the schema is there already and cannot be copied, only the rows are. */
  async full(job: SyncJob): Promise<readonly TableChange[]> {
    return (await copyEverything(job, this.#tools)) ?? (await diffRows(job, this.#sliceRows));
  }

  conclude(
    target: Member,
    source: Member,
    at: { csn: number; term: number; version: number },
  ): Promise<void> {
    return conclude(target as PostgresMember, source as PostgresMember, at);
  }

  levelPositions(target: Member, source: Member, at: { term: number; signal: AbortSignal }): Promise<void> {
    return levelPositions(target as PostgresMember, source as PostgresMember, at);
  }

  compare(snapshots: readonly MemberSnapshot[], request: CompareRequest): Promise<Comparison> {
    return compareSnapshots(snapshots as readonly PostgresSnapshot[], request, {
      sliceRows: this.#sliceRows,
      sequencePatienceMs: this.#sequencePatienceMs,
    });
  }

  openSampler(random: () => number): RowSampler {
    return new PostgresRowSampler(random);
  }

  async unwatchedTables(member: Member): Promise<readonly Finding[]> {
    const connection = await (member as PostgresMember).openInternal(syncSettings);
    try {
      return await unwatchedTables(connection);
    } finally {
      connection.close();
    }
  }

  watchTables(member: Member, term: number): Promise<void> {
    return watchTables(member as PostgresMember, term);
  }
}
