/** What changes a replica's definitions, or empties whole tables: statements that may have to wait for readers. */

import { quoteIdent, quoteLiteral } from '../../sql/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { pinnedSettings } from './pinned-settings.ts';
import type { InternalConnection } from './internal-connection.ts';
import type { Change } from './write-set.ts';

/** How long a reader may hold up a schema statement on a replica. */
const readersPatienceMs = 500;

export class ApplySchema {
  readonly #connection: InternalConnection;
  readonly #pipeline: ApplyPipeline;
  readonly #clearWay: () => Promise<unknown>;

  /** `clearWay` ends the sessions that hold up this connection. */
  constructor(connection: InternalConnection, pipeline: ApplyPipeline, clearWay: () => Promise<unknown>) {
    this.#connection = connection;
    this.#pipeline = pipeline;
    this.#clearWay = clearWay;
  }

  async truncate(tables: readonly Change[]): Promise<void> {
    await this.#pipeline.run('SAVEPOINT lockstep_truncate');
    try {
      const names = tables.map(nameOf).join(', ONLY ');
      await this.#exclusively(this.#pipeline.run(`TRUNCATE ONLY ${names}`));
    } catch (error) {
      // Rows that triggers wrote stand between tables that refer to each other: emptied one by one, the server refuses TRUNCATE.
      if (!(error instanceof MemberError) || error.sqlState !== '0A000') throw error;
      await this.#pipeline.run('ROLLBACK TO lockstep_truncate');
      for (const table of tables) await this.empty(table);
    }
    await this.#pipeline.run('RELEASE lockstep_truncate');
  }

  async empty(table: Change): Promise<void> {
    await this.#pipeline.run(`DELETE FROM ONLY ${nameOf(table)}`);
  }

  /** A schema statement, with the role, search path and settings it had on the primary. Nothing stays prepared. */
  async statement(change: Change): Promise<void> {
    const settings = JSON.parse(change.old?.toString('latin1') ?? '{}') as Record<string, string>;
    // Settings that only the primary's version has mean nothing here.
    const { rows } = await this.#pipeline.run(
      `SELECT name FROM unnest(ARRAY[${Object.keys(settings).map(quoteLiteral).join(', ')}]::text[]) AS x(name) WHERE current_setting(name, true) IS NOT NULL`,
    );
    const known = rows.map(([name]) => name?.toString('latin1') ?? '');
    const context = [
      ...known.map((name) => [name, settings[name] ?? ''] as const),
      ['search_path', change.table.toString('latin1')] as const,
    ].map(([name, value]) => `set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`);
    const restore = [...known, ...Object.keys(pinnedSettings)].map(
      (name) => `SET LOCAL ${quoteIdent(name)} TO DEFAULT`,
    );
    const statement = change.new ?? Buffer.alloc(0);
    await this.#pipeline.run(
      `SAVEPOINT lockstep_statement; SET LOCAL ROLE ${quoteIdent(change.schema.toString('latin1'))}; SELECT ${context.join(', ')}`,
    );
    try {
      await this.#exclusively(this.#connection.pipeline([frontend.query(statement)]));
    } catch (error) {
      // Roles belong to the whole server: the one to be made may be there already, made through another database.
      const madeBefore =
        error instanceof MemberError &&
        error.sqlState === '42710' &&
        /^\s*create\s+(role|user|group)\b/i.test(statement.toString('latin1'));
      if (!madeBefore) throw error;
      await this.#pipeline.run('ROLLBACK TO lockstep_statement');
    }
    await this.#pipeline.run(
      `RESET ROLE; ${restore.join('; ')}; SELECT lockstep.attach(); RELEASE lockstep_statement; DEALLOCATE ALL`,
    );
    this.#pipeline.reset();
  }

  /**
   * What locks a whole table may have to wait for readers of this replica. They get a moment; then they are ended, because
   * the order goes on, and are answered elsewhere.
   */
  async #exclusively<T>(work: Promise<T>): Promise<T> {
    const timer = setInterval(() => void this.#clearWay().catch(() => undefined), readersPatienceMs);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }
}

function nameOf(change: Change): string {
  return `${quoteIdent(change.schema.toString('latin1'))}.${quoteIdent(change.table.toString('latin1'))}`;
}
