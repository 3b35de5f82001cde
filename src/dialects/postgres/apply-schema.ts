/** What is carried as a statement: what changes a replica's definitions, or empties whole tables. */

import { quoteIdent, quoteLiteral } from '../../sql/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import type { ApplyPipeline } from './apply-pipeline.ts';
import { pinnedSettings } from './pinned-settings.ts';
import type { Change } from './write-set.ts';

/** The number of a role that is no superuser, where Lockstep's own is one; else nothing. */
const confinedQuery = `SELECT coalesce((SELECT oid::text FROM pg_roles WHERE rolname = $1::text::name AND NOT rolsuper AND current_setting('is_superuser') = 'on'), '')`;

/**
 * A trial that was given up may still be rolled back by the server. Where a statement leaves names to the server (of sequences, indexes,
 * constraints), it passes over those that an open transaction has made, too, and they would be others than on the primary.
 */
const alone = 'LOCK TABLE lockstep.schema_fence IN SHARE ROW EXCLUSIVE MODE';

const attachTouched = 'SELECT lockstep.attach_touched()';

/** `before`: what the transaction had written before it. What code in it writes has come as rows, too: it would be there twice. */
const statementDone = (before: string | undefined, { isLast }: { readonly isLast: boolean }): string =>
  `RESET ROLE; SELECT lockstep.leave_nothing()${before === undefined ? '' : `, lockstep.demand_unwritten(${quoteLiteral(before)})`}; RELEASE lockstep_statement; DEALLOCATE ALL${isLast ? `; ${attachTouched}` : ''}`;

/** Whose scripts write rows of their own, which do not come as rows. */
const isOfExtension = /^\s*(create|alter)\s+extension\b/i;

/** How a statement is carried out. */
interface Circumstances {
  readonly settings: Readonly<Record<string, string>>;
  readonly done: string;
}

export class ApplySchema {
  readonly #pipeline: ApplyPipeline;
  /** As this connection has them; undefined: this server does not. */
  readonly #settings = new Map<string, string | undefined>();

  constructor(pipeline: ApplyPipeline) {
    this.#pipeline = pipeline;
  }

  async truncate(tables: readonly Change[]): Promise<void> {
    await this.#pipeline.run('SAVEPOINT lockstep_truncate');
    try {
      const names = tables.map(nameOf).join(', ONLY ');
      await this.#pipeline.run(`TRUNCATE ONLY ${names}`);
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

  /**
   * A schema statement, with the role, search path and settings it had on the primary. It may run code of users (USING, CHECK, an
   * index), which must not come back to the rights of this connection: it runs in the box, where there is no SET ROLE. Nothing
   * stays prepared. `isLast`: what the transaction's statements have made is watched, as by `attach`. What was added before goes
   * in the same packet.
   */
  async statement(change: Change, { isLast }: { readonly isLast: boolean }): Promise<void> {
    const settings = JSON.parse(change.old?.toString('latin1') ?? '{}') as Record<string, string>;
    // Bodies may speak of what only the primary's session had.
    settings.check_function_bodies = 'off';
    // REFRESH reads what its owner may see. Where the client had this off and it mattered, the primary has refused the statement.
    settings.row_security = 'on';
    settings.search_path = change.table.toString('latin1');
    const statement = change.new ?? Buffer.alloc(0);
    this.#pipeline.add('lockstep_alone', alone);
    this.#pipeline.add('lockstep_savepoint', 'SAVEPOINT lockstep_statement');
    this.#pipeline.add('lockstep_confined', confinedQuery, [change.schema], 0);
    this.#pipeline.add('lockstep_written_now', 'SELECT lockstep.written_now()', [], 0);
    const [[confined = null] = [], [written = null] = []] = (await this.#pipeline.send()).slice(-2);
    const text = statement.toString('latin1');
    const before = isOfExtension.test(text) ? undefined : written?.toString('latin1');
    const done = statementDone(before, { isLast });
    try {
      if (confined?.length) await this.#inBox(statement, confined, { settings, done });
      else await this.#asRole(statement, change.schema.toString('latin1'), { settings, done });
    } catch (error) {
      // Roles belong to the whole server: the one to be made may be there already, made through another database.
      const madeBefore =
        error instanceof MemberError &&
        error.sqlState === '42710' &&
        /^\s*create\s+(role|user|group)\b/i.test(text);
      if (!madeBefore) throw error;
      this.#pipeline.reset();
      await this.#pipeline.run(`ROLLBACK TO lockstep_statement; ${statementDone(undefined, { isLast })}`);
    }
    this.#pipeline.reset();
  }

  /**
   * Behind the last statement of a transaction: what they have made is watched, should this member be the primary one day. Nothing that
   * is applied fires a trigger, and a transaction may have a thousand statements.
   */
  attach(): void {
    this.#pipeline.add('lockstep_attach', attachTouched, [], 0);
  }

  /** Of a statement that code has run: here it has made what it made on the primary, or the record is not applied. */
  async demandEffect(effect: Buffer): Promise<void> {
    this.#pipeline.add('lockstep_effect', 'SELECT lockstep.demand_effect($1::text::json)', [effect], 0);
    await this.#pipeline.send();
  }

  /** What the labels of an enum are numbered with on the primary, behind the statement that made them. */
  async numbers(change: Change): Promise<void> {
    const labels = quoteLiteral(change.new?.toString('latin1') ?? '[]');
    await this.#pipeline.run(`SELECT lockstep.take_numbers(${labels}::json)`);
  }

  async #inBox(statement: Buffer, role: Buffer, { settings, done }: Circumstances): Promise<void> {
    this.#pipeline.add(
      'lockstep_in_box',
      `SELECT lockstep.in_box($1::text::oid, '{}', $2, NULL, NULL, NULL, $3::text::json)`,
      [role, statement, Buffer.from(JSON.stringify(settings), 'latin1')],
    );
    await this.#pipeline.send([frontend.query(Buffer.from(done, 'latin1'))]);
  }

  /** A superuser's own statement; or Lockstep is no superuser, and there is nothing to come back to. All in one packet. */
  async #asRole(statement: Buffer, role: string, { settings, done }: Circumstances): Promise<void> {
    const names = await this.#knownOf(Object.keys(settings));
    const ofUsers = names.filter((name) => name.includes('.'));
    const own = names.filter((name) => !name.includes('.'));
    const context = names.filter((name) => settings[name] !== this.#settings.get(name));
    const back = {
      ...Object.fromEntries(own.map((name) => [name, this.#settings.get(name)])),
      ...pinnedSettings,
    };
    const restore = [
      ...ofUsers.map((name) => `SET LOCAL ${quoteIdent(name)} TO DEFAULT`),
      `SELECT ${settingAll(Object.entries(back))}`,
    ];
    const before = `SET LOCAL ROLE ${quoteIdent(role)}; SELECT ${settingAll(context.map((name) => [name, settings[name]]))}`;
    const after = `RESET ROLE; ${restore.join('; ')}; ${done}`;
    const messages = [Buffer.from(before, 'latin1'), statement, Buffer.from(after, 'latin1')];
    await this.#pipeline.send(messages.map((message) => frontend.query(message)));
  }

  /** Settings that only the primary's version has mean nothing here; users' own, with a dot, come to be where they are set. */
  async #knownOf(names: readonly string[]): Promise<readonly string[]> {
    const unasked = names.filter((name) => !name.includes('.') && !this.#settings.has(name));
    if (unasked.length > 0) {
      const { rows } = await this.#pipeline.run(
        `SELECT name, current_setting(name, true) FROM unnest(ARRAY[${unasked.map(quoteLiteral).join(', ')}]::text[]) AS x(name)`,
      );
      for (const [name, value] of rows)
        this.#settings.set(name?.toString('latin1') ?? '', value?.toString('latin1'));
    }
    return names.filter((name) => name.includes('.') || this.#settings.get(name) !== undefined);
  }
}

function settingAll(settings: readonly (readonly [name: string, value: string | undefined])[]): string {
  const each = settings.map(
    ([name, value = '']) => `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`,
  );
  return each.join(', ');
}

function nameOf(change: Change): string {
  return `${quoteIdent(change.schema.toString('latin1'))}.${quoteIdent(change.table.toString('latin1'))}`;
}
