/** What is to be sent to a replica in one packet. */

import { frontend } from '../../wire/postgres/index.ts';
import type { Format } from '../../wire/postgres/index.ts';
import { quoteLiteral } from '../../sql/index.ts';
import type { InternalConnection, PipelineResult } from './internal-connection.ts';

export class ApplyPipeline {
  readonly #connection: InternalConnection;
  readonly #prepared = new Set<string>();
  #messages: Buffer[] = [];

  constructor(connection: InternalConnection) {
    this.#connection = connection;
  }

  /** Adds a statement, which is prepared under its name when it is met for the first time. */
  add(statement: string, sql: string, values: readonly Buffer[] = [], format: Format = 1): void {
    if (!this.#prepared.has(statement)) {
      this.#prepared.add(statement);
      this.#messages.push(frontend.parse({ name: statement, query: Buffer.from(sql, 'latin1') }));
    }
    this.#messages.push(frontend.bind({ statement, values, formats: [format] }), frontend.execute());
  }

  async send(): Promise<void> {
    if (this.#messages.length === 0) return;
    const messages = [...this.#messages, frontend.sync];
    this.#messages = [];
    await this.#connection.pipeline(messages);
  }

  /**
   * Runs statements at once, behind what was added before. They are written as the names in write sets are: one character
   * for each byte in the encoding of the database.
   */
  async run(sql: string): Promise<PipelineResult> {
    await this.send();
    return await this.#connection.query(Buffer.from(sql, 'latin1'));
  }

  /** What was added is not sent any more; what was prepared is gone on the replica. */
  reset(): void {
    this.#prepared.clear();
    this.#messages = [];
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
