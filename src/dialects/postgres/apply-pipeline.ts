/** What is to be sent to a replica in one packet. */

import { invariant } from '../../base/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import type { Format } from '../../wire/postgres/index.ts';
import { quoteLiteral } from '../../sql/index.ts';
import type { InternalConnection, PipelineResult } from './internal-connection.ts';
import { leftOut } from './marked-writing.ts';
import type { LeftOut } from './marked-writing.ts';

export class ApplyPipeline {
  readonly #connection: InternalConnection;
  readonly #prepared = new Set<string>();
  #messages: Buffer[] = [];
  #copied = 0;
  /** False: nothing is kept prepared, for code that runs here may take it away. */
  prepares = true;
  /** By what was sent. */
  #leftOut: LeftOut[] = [];

  constructor(connection: InternalConnection) {
    this.#connection = connection;
  }

  /** Adds a statement, which is prepared under its name when it is met for the first time: only then it is asked for its text. */
  add(
    statement: string,
    sql: string | (() => string),
    values: readonly (Buffer | null)[] = [],
    format: Format = 1,
  ): void {
    const name = this.prepares ? statement : '';
    if (!this.#prepared.has(name)) {
      if (this.prepares) this.#prepared.add(name);
      const text = typeof sql === 'string' ? sql : sql();
      this.#messages.push(frontend.parse({ name, query: Buffer.from(text, 'latin1') }));
    }
    this.#messages.push(frontend.bind({ statement: name, values, formats: [format] }), frontend.execute());
  }

  /** Adds a COPY FROM STDIN with its data. */
  addCopy(
    statement: string,
    sql: string,
    { data, rows }: { readonly data: Buffer; readonly rows: number },
  ): void {
    this.add(statement, sql);
    this.#messages.push(frontend.copyData(data), frontend.copyDone);
    this.#copied += rows;
  }

  /** `queries`: messages that go in the same packet, behind what was added. */
  async send(queries: readonly Buffer[] = []): Promise<PipelineResult['rows']> {
    const added = this.#messages.length > 0 ? [...this.#messages, frontend.sync] : [];
    const messages = [...added, ...queries];
    if (messages.length === 0) return [];
    const copied = this.#copied;
    this.#messages = [];
    this.#copied = 0;
    const { tags, rows } = await this.#connection.pipeline(messages);
    this.#note({ rows });
    // Nothing that is copied is committed in the same packet.
    const found = tags.reduce((sum, tag) => sum + (tag.startsWith('COPY ') ? Number(tag.slice(5)) : 0), 0);
    invariant(found === copied, `${copied} rows were to be copied, ${found} were`);
    return rows;
  }

  /**
   * Runs statements at once, behind what was added before. They are written as the names in write sets are: one character
   * for each byte in the encoding of the database.
   */
  async run(sql: string): Promise<PipelineResult> {
    await this.send();
    const result = await this.#connection.query(Buffer.from(sql, 'latin1'));
    this.#note(result);
    return result;
  }

  /** Indexes that were left out since it was asked last. */
  takeLeftOut(): readonly LeftOut[] {
    return this.#leftOut.splice(0);
  }

  /** What was prepared goes in front of all else. Between transactions. */
  prepareAnew(): void {
    this.reset();
    const text = frontend.parse({ name: '', query: Buffer.from('DEALLOCATE ALL') });
    this.#messages.push(text, frontend.bind({ statement: '', values: [] }), frontend.execute());
  }

  /** What was added is not sent any more; what was prepared is gone on the replica. */
  reset(): void {
    this.#prepared.clear();
    this.#messages = [];
    this.#copied = 0;
    this.#leftOut = [];
  }

  /** Nothing else that is sent here answers with such a list. */
  #note({ rows }: Pick<PipelineResult, 'rows'>): void {
    for (const row of rows) {
      const answer = row.at(-1)?.toString();
      if (answer?.startsWith('[{"index"')) this.#leftOut.push(...leftOut(answer));
    }
  }
}

/**
 * The statement, and its transaction fails unless it changes so many rows. `rows`: an expression. The member itself counts, before
 * it commits: one that has diverged must not say in its log that it has applied what it has not.
 */
export function counted(
  sql: string,
  { table, rows }: { readonly table: string; readonly rows: string },
): string {
  return `WITH done AS (${sql} RETURNING 1)
SELECT lockstep.diverged(${quoteLiteral(table)}, ${rows}, count(*)) FROM done HAVING count(*) <> ${rows}`;
}
