/** One client that never stops asking, notes when it was answered, and connects anew when it is cut off. */

import { setTimeout as pause } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import type { Address } from './pgbench.ts';
import { user } from './pgbench.ts';

const reconnectEveryMs = 10;
const connectTimeoutMs = 2_000;

export class LoadClient {
  /** When each statement was answered without an error. */
  readonly answersMs: number[] = [];
  /** SQLSTATE, or `connection` where the client was cut off. */
  readonly errors: string[] = [];
  readonly #target: Address;
  readonly #row: number;
  #connection: Client | undefined;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(target: Address, row: number) {
    this.#target = target;
    this.#row = row;
  }

  static async start(target: Address, row: number): Promise<LoadClient> {
    const client = new LoadClient(target, row);
    client.#connection = await client.#connect();
    client.#running = client.#run();
    return client;
  }

  /** Does not wait for an answer that may never come. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const late = setTimeout(() => this.#connection?.connection.stream.destroy(), 2_000);
    await this.#running;
    clearTimeout(late);
    await Promise.allSettled([this.#connection?.end()]);
  }

  async #run(): Promise<void> {
    const statements = [
      `update pgbench_accounts set abalance = abalance + 1 where aid = ${this.#row}`,
      `select abalance from pgbench_accounts where aid = ${this.#row}`,
    ];
    for (let turn = 0; !this.#stopping; turn += 1) {
      try {
        this.#connection ??= await this.#connect();
        await this.#connection.query(statements[turn % 2] ?? '');
        this.answersMs.push(performance.now());
      } catch (failure) {
        if (!this.#stopping) await this.#recover(failure);
      }
    }
  }

  async #recover(failure: unknown): Promise<void> {
    if (failure instanceof DatabaseError && failure.severity === 'ERROR') {
      this.errors.push(failure.code ?? 'unknown');
      return;
    }
    // Attempts to connect that fail are one cut, not many.
    if (this.#connection) this.errors.push('connection');
    this.#connection?.connection.stream.destroy();
    this.#connection = undefined;
    await pause(reconnectEveryMs);
  }

  async #connect(): Promise<Client> {
    const { port, database } = this.#target;
    const client = new Client({
      host: '127.0.0.1',
      port,
      database,
      user,
      connectionTimeoutMillis: connectTimeoutMs,
    });
    client.on('error', () => {});
    await client.connect();
    return client;
  }
}
