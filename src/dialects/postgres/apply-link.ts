/**
 * Applies the one order to a replica. Records go into one transaction together with their commit records, so what is
 * applied and what is recorded can never differ. See DESIGN.md, "Apply".
 */

import { frontend } from '../../wire/postgres/index.ts';
import type { Format } from '../../wire/postgres/index.ts';
import { quoteIdent, quoteLiteral } from '../../sql/index.ts';
import { MemberError } from '../contract.ts';
import type { ApplyLink, CommitRecord } from '../contract.ts';
import { binaryArray } from './binary-array.ts';
import { pinnedSettings, sqlStates } from './control-schema.ts';
import type { InternalConnection } from './internal-connection.ts';
import { lastLoggedCsn } from './last-logged-csn.ts';
import { RowPlan } from './row-plan.ts';
import type { RowChange, TablePlan } from './row-plan.ts';
import { readShape, shapeQuery, tableStatements } from './table-shape.ts';
import type { TableStatements } from './table-shape.ts';
import { ChangeStream, isLarge } from './write-set.ts';
import type { Change, LargeChange } from './write-set.ts';

/** A write set above this is applied part by part, so that it never lies in memory whole. */
const inOneGoBytes = 4 << 20;

/** How long a reader may hold up a schema statement on a replica. */
const readersPatienceMs = 500;

interface PreparedTable {
  readonly statements: TableStatements;
  readonly names: { readonly insert: string; readonly update: string; readonly remove: string };
}

/** How many rows each command of a pipeline must report, by position among the command tags; undefined: any. */
type Expectation = { readonly table: string; readonly rows: number } | undefined;

interface Pipeline {
  readonly messages: Buffer[];
  readonly expected: Expectation[];
}

/** What goes along while a record's changes are turned into work. */
interface Way {
  readonly record: CommitRecord;
  readonly sequences: Map<string, Change>;
  readonly pipeline: Pipeline;
  readonly strictly: boolean;
}

export class PostgresApplyLink implements ApplyLink {
  readonly #memberId: string;
  readonly #connection: InternalConnection;
  readonly #term: number;
  readonly #clearWay: () => Promise<unknown>;
  readonly #prepared = new Set<string>();
  readonly #tables = new Map<string, PreparedTable>();
  #tableCount = 0;
  #statementCount = 0;

  /** `clearWay` ends the sessions that hold up this connection. */
  constructor(
    memberId: string,
    connection: InternalConnection,
    term: number,
    clearWay: () => Promise<unknown>,
  ) {
    this.#memberId = memberId;
    this.#connection = connection;
    this.#term = term;
    this.#clearWay = clearWay;
  }

  async apply(records: readonly CommitRecord[]): Promise<void> {
    for (let rest = records; rest.length > 0; ) rest = rest.slice(await this.#applySome(rest));
  }

  /** How many of the records were applied: in one transaction, all up to the first schema statement. */
  async #applySome(records: readonly CommitRecord[]): Promise<number> {
    try {
      return await this.#applyOnce(records, false);
    } catch (error) {
      if (!(error instanceof MemberError) || this.#connection.lost) throw error;
      // Prepared names may or may not exist after an error in the middle of a pipeline.
      await this.#connection.query('ROLLBACK; DEALLOCATE ALL');
      this.#prepared.clear();
      this.#tables.clear();
      // Rows may pass through a forbidden state when their order is gone; deleting first and inserting then may not.
      if (error.sqlState !== '23505' && error.sqlState !== '23P01') throw error;
      try {
        return await this.#applyOnce(records, true);
      } catch (again) {
        if (!this.#connection.lost) await this.#connection.query('ROLLBACK');
        throw again;
      }
    }
  }

  async lastCsn(): Promise<number> {
    const rows = await this.#connection.rows(
      `SELECT greatest((${lastLoggedCsn}), (SELECT base_csn FROM lockstep.member))`,
    );
    return Number(rows[0]?.[0] ?? 0);
  }

  close(): void {
    this.#connection.close();
  }

  async #applyOnce(records: readonly CommitRecord[], strictly: boolean): Promise<number> {
    const bytes = records.reduce((sum, record) => sum + (record.writeSet?.bytes ?? 0), 0);
    const pipeline = this.#begin();
    if (bytes > inOneGoBytes) return await this.#applyInParts(records, pipeline, strictly);
    let plan = new RowPlan();
    const sequences = new Map<string, Change>();
    const logged: { record: CommitRecord; part: number; payload: Buffer | null }[] = [];
    let count = 0;
    for (const record of records) {
      count += 1;
      const statements = this.#statementCount;
      if (record.writeSet === null) logged.push({ record, part: 1, payload: null });
      else {
        let part = 0;
        const changes = new ChangeStream();
        for await (const payload of record.writeSet.parts()) {
          logged.push({ record, part: ++part, payload });
          plan = await this.#take(changes.push(payload), plan, { record, sequences, pipeline, strictly });
        }
        changes.end();
      }
      // What a statement has made may be of use only when it is committed, as the values added to an enum.
      if (this.#statementCount > statements) break;
    }
    await this.#addRows(pipeline, plan, strictly);
    this.#addSequences(pipeline, sequences);
    this.#addLog(pipeline, logged);
    this.#execute(pipeline, 'lockstep_commit', 'COMMIT', []);
    await this.#send(pipeline);
    return count;
  }

  async #applyInParts(
    records: readonly CommitRecord[],
    pipeline: Pipeline,
    strictly: boolean,
  ): Promise<number> {
    let count = 0;
    for (const record of records) {
      count += 1;
      const statements = this.#statementCount;
      let number = 0;
      const changes = new ChangeStream();
      for await (const payload of record.writeSet?.parts() ?? [null]) {
        const sequences = new Map<string, Change>();
        // Logged first: a row too large to be held is then taken from the log.
        this.#addLog(pipeline, [{ record, part: ++number, payload }]);
        if (payload !== null) {
          const way: Way = { record, sequences, pipeline, strictly };
          const plan = await this.#take(changes.push(payload), new RowPlan(), way);
          await this.#addRows(pipeline, plan, strictly);
          this.#addSequences(pipeline, sequences);
        }
        await this.#send(pipeline);
      }
      changes.end();
      if (this.#statementCount > statements) break;
    }
    this.#execute(pipeline, 'lockstep_commit', 'COMMIT', []);
    await this.#send(pipeline);
    return count;
  }

  /** Adds changes to the plan. Whatever is not a row ends the plan: it is sent, then comes the statement, then a new plan. */
  async #take(changes: readonly (Change | LargeChange)[], current: RowPlan, way: Way): Promise<RowPlan> {
    const { record, sequences, pipeline, strictly } = way;
    let plan = current;
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as Change | LargeChange;
      if (isLarge(change)) {
        await this.#addRows(pipeline, plan, strictly);
        plan = new RowPlan();
        await this.#applyLarge(change, record, pipeline);
        continue;
      }
      if (change.op === 'I' || change.op === 'U' || change.op === 'D') {
        plan.add(change);
        continue;
      }
      if (change.op === 'Q') {
        const key = `${change.schema.toString('latin1')}\0${change.table.toString('latin1')}`;
        const exact = sequences.get(key)?.old?.toString() === 'exact' && change.old?.toString() === 'up';
        sequences.set(key, exact ? { ...change, old: Buffer.from('exact') } : change);
        continue;
      }
      await this.#addRows(pipeline, plan, strictly);
      plan = new RowPlan();
      this.#addSequences(pipeline, sequences);
      sequences.clear();
      if (change.op === 'T') {
        const tables: Change[] = [];
        while (changes[i]?.op === 'T') tables.push(changes[i++] as Change);
        i -= 1;
        await this.#send(pipeline);
        await this.#truncate(tables);
      } else if (change.op === 'E') {
        await this.#send(pipeline);
        await this.#query(`DELETE FROM ONLY ${nameOf(change)}`);
      } else {
        await this.#send(pipeline);
        await this.#runStatement(change);
      }
    }
    return plan;
  }

  /** One row, whose images the member reads from its own log. */
  async #applyLarge(change: LargeChange, record: CommitRecord, pipeline: Pipeline): Promise<void> {
    const schema = change.schema.toString('utf8');
    const table = change.table.toString('utf8');
    const plan: TablePlan = { schema, table, changes: [] };
    const { statements } = this.#tables.get(keyOf(plan)) ?? (await this.#prepareTable(plan, pipeline));
    await this.#send(pipeline);
    const images = change.images.map(
      ({ from, to }) => `ARRAY[lockstep.logged_image(${record.slot}::int2, ${record.csn}, ${from}, ${to})]`,
    );
    const run = async (sql: string, values: readonly string[]): Promise<void> => {
      const query = values.reduce((done, value, i) => done.replaceAll(`$${i + 1}::text[]`, () => value), sql);
      const { tags } = await this.#connection.query(query);
      this.#expectRows(tags[0], { table: `${schema}.${table}`, rows: 1 });
    };
    const [first = '', second = ''] = images;
    if (change.op === 'I') await run(statements.insert, [first]);
    else if (change.op === 'D') await run(statements.remove, [first]);
    else if (statements.update !== undefined) await run(statements.update, [first, second]);
    else {
      await run(statements.remove, [first]);
      await run(statements.insert, [second]);
    }
  }

  async #truncate(tables: readonly Change[]): Promise<void> {
    await this.#connection.query('SAVEPOINT lockstep_truncate');
    try {
      const names = tables.map(nameOf).join(', ONLY ');
      await this.#exclusively(this.#query(`TRUNCATE ONLY ${names}`));
    } catch (error) {
      // Rows that triggers wrote stand between tables that refer to each other: emptied one by one, the server refuses TRUNCATE.
      if (!(error instanceof MemberError) || error.sqlState !== '0A000') throw error;
      await this.#connection.query('ROLLBACK TO lockstep_truncate');
      for (const table of tables) await this.#query(`DELETE FROM ONLY ${nameOf(table)}`);
    }
    await this.#connection.query('RELEASE lockstep_truncate');
  }

  /** A schema statement, with the role, search path and settings it had on the primary. */
  async #runStatement(change: Change): Promise<void> {
    this.#statementCount += 1;
    const settings = JSON.parse(change.old?.toString('latin1') ?? '{}') as Record<string, string>;
    // Settings that only the primary's version has mean nothing here.
    const names = await this.#connection.rows(
      `SELECT name FROM unnest(ARRAY[${Object.keys(settings).map(quoteLiteral).join(', ')}]::text[]) AS x(name) WHERE current_setting(name, true) IS NOT NULL`,
    );
    const known = names.map(([name]) => name ?? '');
    const context = [
      ...known.map((name) => [name, settings[name] ?? ''] as const),
      ['search_path', change.table.toString('latin1')] as const,
    ].map(([name, value]) => `set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, true)`);
    const restore = [...known, ...Object.keys(pinnedSettings)].map(
      (name) => `SET LOCAL ${quoteIdent(name)} TO DEFAULT`,
    );
    const statement = change.new ?? Buffer.alloc(0);
    await this.#query(
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
      await this.#connection.query('ROLLBACK TO lockstep_statement');
    }
    await this.#connection.query(
      `RESET ROLE; ${restore.join('; ')}; SELECT lockstep.attach(); RELEASE lockstep_statement; DEALLOCATE ALL`,
    );
    this.#tables.clear();
    this.#prepared.clear();
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

  /** Statements are written as the names in write sets are: one character for each byte in the encoding of the database. */
  #query(sql: string): ReturnType<InternalConnection['query']> {
    return this.#connection.query(Buffer.from(sql, 'latin1'));
  }

  #begin(): Pipeline {
    const pipeline: Pipeline = { messages: [], expected: [] };
    this.#execute(pipeline, 'lockstep_begin', 'BEGIN', []);
    this.#execute(pipeline, 'lockstep_fence', `SELECT lockstep.fence(${this.#term})`, []);
    return pipeline;
  }

  async #addRows(pipeline: Pipeline, plan: RowPlan, strictly: boolean): Promise<void> {
    for (const table of plan.tables()) {
      const prepared = this.#tables.get(keyOf(table)) ?? (await this.#prepareTable(table, pipeline));
      const removed: RowChange[] = [];
      const updated: RowChange[] = [];
      const inserted: RowChange[] = [];
      const split = strictly || prepared.statements.update === undefined;
      for (const change of table.changes) {
        if (change.old && change.new && !split) updated.push(change);
        else {
          if (change.old) removed.push(change);
          if (change.new) inserted.push(change);
        }
      }
      const { statements, names } = prepared;
      if (removed.length > 0) this.#rows(pipeline, table, names.remove, statements.remove, removed, ['old']);
      if (updated.length > 0)
        this.#rows(pipeline, table, names.update, statements.update ?? '', updated, ['old', 'new']);
      if (inserted.length > 0)
        this.#rows(pipeline, table, names.insert, statements.insert, inserted, ['new']);
    }
  }

  #rows(
    pipeline: Pipeline,
    table: TablePlan,
    name: string,
    sql: string,
    changes: readonly RowChange[],
    images: readonly ('old' | 'new')[],
  ): void {
    const values = images.map((image) =>
      binaryArray(
        'text',
        changes.map((change) => change[image]),
      ),
    );
    this.#execute(pipeline, name, sql, values, {
      table: shown(table),
      rows: changes.length,
    });
  }

  async #prepareTable(table: TablePlan, pipeline: Pipeline): Promise<PreparedTable> {
    await this.#send(pipeline);
    const { rows } = await this.#query(shapeQuery(table.schema, table.table));
    const row = rows[0]?.map((value) => value?.toString('latin1') ?? null);
    if (row === undefined) {
      throw new MemberError(
        this.#memberId,
        'unfit',
        `member ${this.#memberId} has no table ${shown(table)}`,
        sqlStates.diverged,
      );
    }
    const number = this.#tableCount++;
    const prepared: PreparedTable = {
      statements: tableStatements(table.schema, table.table, readShape(row)),
      names: { insert: `lockstep_i${number}`, update: `lockstep_u${number}`, remove: `lockstep_d${number}` },
    };
    this.#tables.set(keyOf(table), prepared);
    return prepared;
  }

  #addSequences(pipeline: Pipeline, sequences: ReadonlyMap<string, Change>): void {
    for (const change of sequences.values()) {
      const [value = '0', called] = (change.new?.toString() ?? '').split(',');
      this.#execute(
        pipeline,
        'lockstep_sequence',
        'SELECT lockstep.advance_sequence($1, $2, $3::text::bigint, $4::text::bool, $5::text::bool)',
        [
          change.schema,
          change.table,
          Buffer.from(value),
          Buffer.from(called ?? 't'),
          Buffer.from(change.old?.toString() === 'exact' ? 't' : 'f'),
        ],
        undefined,
        0,
      );
    }
  }

  #addLog(
    pipeline: Pipeline,
    logged: readonly { record: CommitRecord; part: number; payload: Buffer | null }[],
  ): void {
    if (logged.length === 0) return;
    this.#execute(
      pipeline,
      'lockstep_log',
      'INSERT INTO lockstep.log (slot, csn, part, term, payload) SELECT * FROM unnest($1::int2[], $2::int8[], $3::int4[], $4::int8[], $5::bytea[])',
      [
        binaryArray(
          'int2',
          logged.map(({ record }) => record.slot),
        ),
        binaryArray(
          'int8',
          logged.map(({ record }) => record.csn),
        ),
        binaryArray(
          'int4',
          logged.map(({ part }) => part),
        ),
        binaryArray(
          'int8',
          logged.map(({ record }) => record.term),
        ),
        binaryArray(
          'bytea',
          logged.map(({ payload }) => payload),
        ),
      ],
    );
  }

  #execute(
    pipeline: Pipeline,
    statement: string,
    sql: string,
    values: readonly Buffer[],
    expectation?: Expectation,
    format: Format = 1,
  ): void {
    if (!this.#prepared.has(statement)) {
      this.#prepared.add(statement);
      pipeline.messages.push(frontend.parse({ name: statement, query: Buffer.from(sql, 'latin1') }));
    }
    pipeline.messages.push(frontend.bind({ statement, values, formats: [format] }), frontend.execute());
    pipeline.expected.push(expectation);
  }

  async #send(pipeline: Pipeline): Promise<void> {
    if (pipeline.messages.length === 0) return;
    const messages = [...pipeline.messages, frontend.sync];
    const expected = [...pipeline.expected];
    pipeline.messages.length = 0;
    pipeline.expected.length = 0;
    const { tags } = await this.#connection.pipeline(messages);
    for (const [index, want] of expected.entries()) this.#expectRows(tags[index], want);
  }

  #expectRows(tag: string | undefined, want: Expectation): void {
    if (want === undefined) return;
    const found = Number(/(\d+)$/.exec(tag ?? '')?.[1] ?? -1);
    if (found === want.rows) return;
    throw new MemberError(
      this.#memberId,
      'unfit',
      `member ${this.#memberId} has diverged: ${want.rows} rows of ${want.table} were to change, ${found} did (${tag})`,
      sqlStates.diverged,
    );
  }
}

function keyOf(table: TablePlan): string {
  return `${table.schema}\0${table.table}`;
}

/** For people. */
function shown(table: TablePlan): string {
  return Buffer.from(`${table.schema}.${table.table}`, 'latin1').toString('utf8');
}

function nameOf(change: Change): string {
  return `${quoteIdent(change.schema.toString('latin1'))}.${quoteIdent(change.table.toString('latin1'))}`;
}
