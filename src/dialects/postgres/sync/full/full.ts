/** Makes a member from nothing: schema and all rows of a snapshot. What it had of its own is kept in a file and removed. */

import { LockstepError } from '../../../../base/index.ts';
import { MemberError } from '../../../contract.ts';
import type { SyncJob, TableChange } from '../../../sync-contract.ts';
import type { InternalConnection } from '../../internal-connection.ts';
import type { PostgresMember } from '../../postgres-member.ts';
import { Crew } from '../crew.ts';
import { isSuperuser, refresh } from '../materialized-views.ts';
import type { PostgresSnapshot } from '../postgres-snapshot.ts';
import { schemaDifferences } from '../schema-verdict.ts';
import { giveWayToSchemaWork } from '../schema-waiters.ts';
import { SyncProgress } from '../sync-progress.ts';
import { syncSettings, writingSettings } from '../sync-settings.ts';
import { readTables } from '../sync-table.ts';

import { clearTarget, holdsUnfinishedCopy, keepRows } from './clear-target.ts';
import { copyTables } from './copy-tables.ts';
import { alterProperties, readProperties } from './database-properties.ts';
import { planDump, plainStatements } from './dump-contents.ts';
import { batchesOf, madeOf } from './dump-entries.ts';
import type { EntryMaker } from './dump-entries.ts';
import { findDumpTools, noDumpTools, SchemaDump } from './dump-tools.ts';
import type { DumpTools, DumpToolOptions } from './dump-tools.ts';
import { chooseVersions } from './extensions.ts';
import { makeMissingIndexes } from './left-out-indexes.ts';
import { likeNames } from './constraint-names.ts';
import { likeValidity, readOddChildren } from './inherited-columns.ts';
import { makeRoles } from './roles.ts';
import { sideBySide } from './side-by-side.ts';

/** What each connection that builds indexes may use, where the server would give it less. */
const indexMemoryKilobytes = 256 * 1024;

/** Without pg_dump: undefined, when the schema is there already and only the rows are wanted. */
export async function copyEverything(
  job: SyncJob,
  options: DumpToolOptions,
): Promise<readonly TableChange[] | undefined> {
  const snapshot = job.snapshot as PostgresSnapshot;
  const member = job.target as PostgresMember;
  return await Crew.run(job.control.signal, async (crew) => {
    const target = await crew.open(
      member,
      job.dryRun ? { ...syncSettings, default_transaction_read_only: 'on' } : writingSettings,
    );
    const [[version] = []] = await target.rows('SHOW server_version_num');
    const major = Math.floor(Number(version) / 10_000);
    const tools = await findDumpTools(options, { source: snapshot.major, target: major });
    if (tools === undefined) {
      const differences = await schemaDifference({ snapshot, member, target, major });
      if (differences.length === 0) return undefined;
      throw noDumpTools(options, { id: snapshot.memberId, major: snapshot.major });
    }
    const done = new AbortController();
    const watch = giveWayToSchemaWork(crew, snapshot.member, done.signal);
    try {
      const copy = new FullCopy({ job, crew, snapshot, member, target, major, tools });
      return job.dryRun ? await copy.count() : await copy.run();
    } finally {
      done.abort();
      await watch;
    }
  });
}

interface Target {
  readonly snapshot: PostgresSnapshot;
  readonly member: PostgresMember;
  readonly target: InternalConnection;
  readonly major: number;
}

interface FullCopyOptions extends Target {
  readonly job: SyncJob;
  readonly crew: Crew;
  readonly tools: DumpTools;
}

const notMade = 'sync.schema-not-made';

class FullCopy {
  readonly #options: FullCopyOptions;
  /** Settings that the target's version has. */
  #settings: ReadonlySet<string> = new Set();
  #maker: EntryMaker = { children: new Map(), versions: new Map(), separate: new Set(), superuser: false };

  constructor(options: FullCopyOptions) {
    this.#options = options;
  }

  /** The schema is written down first: if that is impossible, nothing has been done. */
  run(): Promise<readonly TableChange[]> {
    const { crew, snapshot, tools } = this.#options;
    return SchemaDump.use(
      { tools, member: snapshot.member, exported: snapshot.exported, signal: crew.signal },
      (dump) => this.#copy(dump),
    );
  }

  /** For a dry run. */
  async count(): Promise<readonly TableChange[]> {
    const { snapshot, target } = this.#options;
    const rowsOf = async (connection: InternalConnection): Promise<ReadonlyMap<string, number>> => {
      const counts = new Map<string, number>();
      for (const { name, from } of (await readTables(connection)).values())
        counts.set(name, Number((await connection.rows(`SELECT count(*) FROM ${from}`))[0]?.[0]));
      return counts;
    };
    const [missing, extra] = [await snapshot.use(rowsOf), await rowsOf(target)];
    return [...new Set([...missing.keys(), ...extra.keys()])].toSorted().map((table) => ({
      table,
      missing: missing.get(table) ?? 0,
      extra: extra.get(table) ?? 0,
      samples: [],
    }));
  }

  async #copy(dump: SchemaDump): Promise<readonly TableChange[]> {
    const { job, crew, snapshot, member, target, major } = this.#options;
    const { term } = job;
    const plan = planDump(await dump.list());
    const tables = await snapshot.use((connection) => readTables(connection));
    const views = await snapshot.use((connection) => readTables(connection, 'materialized views'));
    const superuser = await isSuperuser(target);
    this.#maker = {
      children: await snapshot.use(readOddChildren),
      versions: await this.#chooseVersions(),
      separate: plan.separate,
      superuser,
    };
    const wanted = superuser ? [...tables.values(), ...views.values()] : [...tables.values()];
    const progress = new SyncProgress(job.control, wanted);
    await target.query(`SELECT lockstep.fence(${term})`);
    this.#settings = new Set((await target.rows('SELECT name FROM pg_settings')).map(([name]) => name ?? ''));

    progress.enter('schema');
    const kept = await this.#clear();
    await snapshot.use((source) => makeRoles({ source, target, targetId: member.id, term }));
    await this.#equalProperties();
    await this.#make(dump, plan.structure);

    progress.enter('copy');
    const copied = await copyTables({
      crew,
      snapshot,
      target: member,
      alike: major === snapshot.major,
      major,
      term,
      tables: wanted,
      progress,
    });

    progress.enter('indexes');
    const failed = await this.#makeIndexes(dump, plan.indexes);
    const leftOut = await snapshot.use((source) => makeMissingIndexes(source, target, term));
    if (failed !== undefined && leftOut.length === 0) throw failed;
    member.remarks.leftOut(member.id, leftOut);
    await this.#make(dump, plan.rest);
    if (superuser) {
      await this.#likeValidity();
      // Of tables that are others', a role without their rights changes no names.
      await this.#likeNames();
    }
    if (!superuser) await refresh(crew, member, new Set(views.keys()));
    await this.#equalProperties();
    await target.query(`SELECT lockstep.attach(), lockstep.fence(${term})`);
    await target.query('ANALYZE');
    await this.#demandEqual();
    return joined(kept, copied);
  }

  async #chooseVersions(): Promise<EntryMaker['versions']> {
    const { snapshot, member, target, major } = this.#options;
    return await snapshot.use((source) =>
      chooseVersions({
        source,
        target,
        sourceId: snapshot.memberId,
        targetId: member.id,
        oneMajor: snapshot.major === major,
      }),
    );
  }

  async #clear(): Promise<readonly TableChange[]> {
    const { job, member, target } = this.#options;
    let kept: readonly TableChange[] = [];
    if (!(await holdsUnfinishedCopy(target))) {
      const own = [...(await readTables(target)).values()];
      // Its rows are not what the progress is about.
      const progress = new SyncProgress(job.control, own);
      kept = await keepRows({ target, tables: own, keeper: job.keeper, progress });
    }
    await clearTarget(target, member.id, job.term);
    return kept;
  }

  /** Twice: the owner and the rights of `public` must be there before what is made in it, and settings may name what is made. */
  async #equalProperties(): Promise<void> {
    const { job, snapshot, target } = this.#options;
    const wanted = await snapshot.use(readProperties);
    const there = await readProperties(target);
    const [[database] = []] = await target.rows('SELECT current_database()');
    const statements = alterProperties(wanted, there, database ?? '');
    await target.query(['BEGIN', ...statements, `SELECT lockstep.fence(${job.term})`, 'COMMIT'].join('; '));
  }

  async #likeValidity(): Promise<void> {
    const { job, snapshot, target } = this.#options;
    const statements = await snapshot.use((source) => likeValidity(source, target));
    await target.query(['BEGIN', ...statements, `SELECT lockstep.fence(${job.term})`, 'COMMIT'].join('; '));
  }

  async #likeNames(): Promise<void> {
    const { job, snapshot, target } = this.#options;
    const statements = await snapshot.use((source) => likeNames(source, target));
    await target.query(['BEGIN', ...statements, `SELECT lockstep.fence(${job.term})`, 'COMMIT'].join('; '));
  }

  async #make(dump: SchemaDump, lines: readonly string[]): Promise<void> {
    const connection = await this.#openMaker();
    for (const batch of batchesOf(lines, this.#maker))
      await this.#execute(connection, madeOf(batch, await dump.statements(batch), this.#maker));
  }

  /** Those of a table at once; one by one where that fails. Returns an error of one that could not be made. */
  async #makeIndexes(
    dump: SchemaDump,
    tables: readonly (readonly string[])[],
  ): Promise<LockstepError | undefined> {
    let failed: LockstepError | undefined;
    const tried = async (connection: InternalConnection, lines: readonly string[]): Promise<void> => {
      try {
        await this.#execute(connection, await dump.statements(lines));
      } catch (error) {
        if (!(error instanceof LockstepError) || error.code !== notMade) throw error;
        if (lines.length === 1) failed = error;
        else for (const line of lines) await tried(connection, [line]);
      }
    };
    await sideBySide(this.#options.crew, tables, () => this.#openMaker(), tried);
    return failed;
  }

  async #openMaker(): Promise<InternalConnection> {
    const { crew, member } = this.#options;
    const connection = await crew.open(member, writingSettings);
    await connection.query(
      `SELECT set_config('maintenance_work_mem', greatest(setting::int, ${indexMemoryKilobytes})::text, false) FROM pg_settings WHERE name = 'maintenance_work_mem'`,
    );
    return connection;
  }

  /** One transaction, unless the statements end it. */
  async #execute(connection: InternalConnection, text: string): Promise<void> {
    const { job, member } = this.#options;
    try {
      await connection.query(`${plainStatements(text, this.#settings)};\nSELECT lockstep.fence(${job.term})`);
    } catch (error) {
      if (!(error instanceof MemberError) || error.blame !== 'client') throw error;
      throw new LockstepError({
        code: notMade,
        message: `the schema cannot be made on member ${member.id}: ${error.message}`,
        hint: 'An extension, a library or a setting that the source has may be missing on that server. The member stays marked as incomplete.',
        cause: error,
      });
    }
  }

  async #demandEqual(): Promise<void> {
    const differences = await schemaDifference(this.#options);
    if (differences.length === 0) return;
    throw new LockstepError({
      code: 'sync.schema-differs',
      message: `the schema of member ${this.#options.member.id} was copied and is still not the source's: ${differences.join('; ')}`,
      hint: 'Make it equal by hand; the next synchronisation then compares the rows. The member stays marked as incomplete.',
    });
  }
}

async function schemaDifference({ snapshot, member, target, major }: Target): Promise<readonly string[]> {
  try {
    await target.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    return await snapshot.use((connection) =>
      schemaDifferences(
        { memberId: snapshot.memberId, major: snapshot.major, connection },
        { memberId: member.id, major, connection: target },
      ),
    );
  } finally {
    if (target.lost === undefined) await target.query('ROLLBACK');
  }
}

/** A table that both had is one change. */
function joined(kept: readonly TableChange[], copied: readonly TableChange[]): readonly TableChange[] {
  const changes = new Map(kept.map((change) => [change.table, change]));
  for (const change of copied) {
    const before = changes.get(change.table);
    changes.set(change.table, before === undefined ? change : { ...before, missing: change.missing });
  }
  return [...changes.values()].toSorted((a, b) => (a.table < b.table ? -1 : 1));
}
