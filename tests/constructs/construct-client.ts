/** One client of a scenario: sends its statements in one of the three ways. */

import { createHash } from 'node:crypto';
import { Client, escapeLiteral } from 'pg';
import type { QueryResult } from 'pg';
import { expect } from 'vitest';
import type { OpenClient, Way } from './scenario.ts';

export type Value = string | number | boolean | Buffer | null;

export interface SqlError extends Error {
  readonly code?: string;
  readonly hint?: string;
}

export class ConstructClient {
  readonly place: number;
  readonly way: Way;
  readonly schema: string;
  readonly pg: Client;
  readonly #open: OpenClient;
  readonly #enter: string;

  constructor(parts: {
    readonly place: number;
    readonly way: Way;
    readonly schema: string;
    readonly pg: Client;
    readonly open: OpenClient;
    /** What a session begins with. */
    readonly enter: string;
  }) {
    this.place = parts.place;
    this.way = parts.way;
    this.schema = parts.schema;
    this.pg = parts.pg;
    this.#open = parts.open;
    this.#enter = parts.enter;
  }

  /** One statement; where the way has no parameters, the values are written into it. */
  run(text: string, values: readonly Value[] = []): Promise<QueryResult> {
    if (this.way === 'simple') return this.pg.query(inlined(text, values));
    // The types leave out that values are not needed for the extended protocol.
    const query = { text, values: [...values], queryMode: 'extended' };
    if (this.way === 'extended') return this.pg.query(query);
    return this.pg.query({ ...query, name: createHash('md5').update(text).digest('hex') });
  }

  async value(text: string, values: readonly Value[] = []): Promise<unknown> {
    const { rows } = await this.run(text, values);
    return Object.values((rows[0] ?? {}) as object)[0];
  }

  /** One after the other, in a transaction of their own. */
  async transaction(...statements: readonly (string | readonly [string, readonly Value[]])[]): Promise<void> {
    await this.run('BEGIN');
    try {
      for (const statement of statements) {
        if (typeof statement === 'string') await this.run(statement);
        else await this.run(...statement);
      }
      await this.run('COMMIT');
    } catch (error) {
      await this.run('ROLLBACK');
      throw error;
    }
  }

  /** The statement must fail with this message or SQLSTATE. */
  async fails(pattern: RegExp | string, text: string, values: readonly Value[] = []): Promise<SqlError> {
    const error = await this.run(text, values).then(
      () => undefined,
      (failure: SqlError) => failure,
    );
    expect(error, `was to fail: ${text}`).toBeInstanceOf(Error);
    if (typeof pattern === 'string') expect(error?.code, `${text}: ${error?.message}`).toBe(pattern);
    else expect(error?.message, text).toMatch(pattern);
    return error as SqlError;
  }

  /** The same, and the error must say what to do instead. */
  async refused(pattern: RegExp | string, text: string, values: readonly Value[] = []): Promise<void> {
    const error = await this.fails(pattern, text, values);
    expect(error.hint, `${text}: ${error.message}`).toMatch(/.{10}/);
  }

  /** Again until no other transaction stands in its way; how often it was refused. */
  async persist(work: () => Promise<unknown>): Promise<number> {
    for (let refusals = 0; ; refusals++) {
      try {
        await work();
        return refusals;
      } catch (error) {
        const { code } = error as SqlError;
        if ((code !== '40001' && code !== '40P01') || refusals > 200) throw error;
      }
    }
  }

  /** Another session, with the same search path. */
  async another(options: Parameters<OpenClient>[0] = {}): Promise<ConstructClient> {
    const pg = await this.#open(options);
    await pg.query(this.#enter);
    return new ConstructClient({
      place: this.place,
      way: this.way,
      schema: this.schema,
      pg,
      open: this.#open,
      enter: this.#enter,
    });
  }
}

function inlined(text: string, values: readonly Value[]): string {
  return values.length === 0
    ? text
    : text.replaceAll(/\$(\d+)/g, (_, number: string) => literal(values[Number(number) - 1] ?? null));
}

function literal(value: Value): string {
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) return `'\\x${value.toString('hex')}'`;
  return typeof value === 'string' ? escapeLiteral(value) : String(value);
}
