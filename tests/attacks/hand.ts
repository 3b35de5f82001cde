/** What an attacker does with a connection. Refusals are what he expects; what he hears, he keeps. */

import { Client } from 'pg';
import { readErrorFields } from '../../src/wire/postgres/index.ts';
import { ProtocolClient } from '../support/protocol-client.ts';

/** He does not wait for what he has stopped himself. */
const patienceMs = 4_000;

export class Hand {
  readonly #url: string;
  readonly #heard: string[] = [];
  #client: Client | undefined;
  readonly #helpers: Hand[] = [];
  readonly #raw: ProtocolClient[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  /** Everything that was said to him, on all of his connections: rows, errors, notices. */
  get heard(): readonly string[] {
    return [...this.#heard, ...this.#helpers.flatMap((helper) => helper.heard)];
  }

  /** One after the other on one connection; errors do not stop him. Resolves to the rows of the last one. */
  async say(...statements: readonly string[]): Promise<readonly (readonly unknown[])[]> {
    let rows: readonly (readonly unknown[])[] = [];
    for (const sql of statements) rows = await this.#ask(sql, undefined);
    return rows;
  }

  /** With the extended protocol. */
  async bind(
    sql: string,
    values: readonly unknown[],
    name?: string,
  ): Promise<readonly (readonly unknown[])[]> {
    return await this.#ask(sql, values, name);
  }

  /** Another connection of the same role. */
  another(): Hand {
    const hand = new Hand(this.#url);
    this.#helpers.push(hand);
    return hand;
  }

  /** Message by message; resolves when the server is ready again, or does not answer. */
  async send(...messages: readonly Buffer[]): Promise<void> {
    try {
      const client = await ProtocolClient.connect(this.#url, { deadlineMs: patienceMs });
      this.#raw.push(client);
      client.send(...messages);
      for (;;) {
        const { type, frame } = await client.next();
        if (type === 'E' || type === 'N') this.#heard.push(Object.values(readErrorFields(frame)).join(' '));
        else this.#heard.push(frame.toString('utf8', 5));
        if (type === 'Z') return;
      }
    } catch (error) {
      this.#heard.push(String(error));
    }
  }

  leave(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) drop(client);
    for (const raw of this.#raw) raw.destroy();
    for (const helper of this.#helpers) helper.leave();
  }

  async #ask(
    sql: string,
    values: readonly unknown[] | undefined,
    name?: string,
  ): Promise<readonly (readonly unknown[])[]> {
    let client: Client;
    try {
      client = this.#client ??= await this.#connect();
    } catch (error) {
      this.#heard.push(String(error));
      return [];
    }
    const query = {
      text: sql,
      rowMode: 'array' as const,
      ...(values === undefined ? {} : { values: [...values], queryMode: 'extended' }),
      ...(name === undefined ? {} : { name }),
    };
    const asked = client.query(query);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('too late')), patienceMs);
    });
    try {
      const results = [await Promise.race([asked, late])].flat();
      for (const { rows } of results) this.#heard.push(JSON.stringify(rows));
      return results.at(-1)?.rows ?? [];
    } catch (error) {
      asked.catch(() => undefined);
      const { message, code, detail, hint, where } = error as Record<string, unknown>;
      this.#heard.push([code, message, detail, hint, where].filter(Boolean).join(' '));
      if (message === 'too late' || !(error instanceof Error && 'severity' in error)) this.#reconnect(client);
      return [];
    } finally {
      clearTimeout(timer);
    }
  }

  /** The connection that waits stays open: what it holds, it holds until he leaves. */
  #reconnect(client: Client): void {
    this.#client = undefined;
    const helper = new Hand(this.#url);
    helper.#client = client;
    this.#helpers.push(helper);
  }

  async #connect(): Promise<Client> {
    const client = new Client({ connectionString: this.#url });
    client.on('error', () => undefined);
    client.on('notice', (notice) => {
      const { message, code, detail, hint } = notice;
      this.#heard.push([code, message, detail, hint].filter(Boolean).join(' '));
    });
    client.on('notification', ({ channel, payload }) => this.#heard.push(`${channel} ${payload}`));
    await client.connect();
    return client;
  }
}

/** Not by a goodbye, which would come behind what it waits for. */
function drop(client: Client): void {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } })
    .connection;
  stream.destroy();
}
