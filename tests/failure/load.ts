/**
 * Clients that work as applications do, each on its own connection, and remember what they were told. Transfers keep the
 * sum of all balances, every operation leaves a key of its own, and each client's counter only ever grows: from that
 * the checker can tell what was lost, invented or half done.
 */

import { Client } from 'pg';
import { pause, systemClock } from '../../src/base/index.ts';
import type { Outcome } from '../../src/base/index.ts';
import { AckLedger } from '../../src/testing/index.ts';

export const accountCount = 100;
export const startBalance = 1000;

export function schemaOf(size: { accounts: number; startBalance: number }): string {
  return `
    create table accounts (id int primary key, balance bigint not null);
    insert into accounts select n, ${size.startBalance} from generate_series(1, ${size.accounts}) n;
    create table transfers (key text primary key, payer int not null, payee int not null, amount int not null, at timestamptz not null default clock_timestamp());
    create table entries (id bigserial unique, key text primary key, note text not null default md5(random()::text));
    create table counters (client int primary key, value bigint not null);
    insert into counters select n, 0 from generate_series(0, 63) n;`;
}

export interface LoadOptions {
  readonly clients: number;
  /** A client whose connection is lost connects again; otherwise it stops. */
  readonly reconnect?: boolean;
  readonly seed?: number;
}

export interface ClientError {
  readonly operation: string;
  readonly sqlState: string | undefined;
  readonly message: string;
}

/** A read that showed less than had been seen before. */
export interface StepBack {
  readonly client: number;
  readonly seen: number;
  readonly shown: number;
}

export class Load {
  readonly ledger = new AckLedger();
  readonly errors: ClientError[] = [];
  readonly stepsBack: StepBack[] = [];
  /** Acknowledged increments of each client's counter, and those whose fate its client does not know. */
  readonly increments = new Map<number, { known: number; unknown: number }>();
  #longestMs = 0;
  #done = 0;
  #stop = false;
  #url: string;
  readonly #options: LoadOptions;
  #working: Promise<unknown> = Promise.resolve();

  constructor(url: string, options: LoadOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** Resolves when every client is connected and at work. */
  async start(): Promise<this> {
    const connected = await Promise.all(
      Array.from({ length: this.#options.clients }, async (_, number) => ({
        number,
        client: await open(this.#url),
      })),
    );
    this.#working = Promise.all(connected.map(({ number, client }) => this.#work(number, client)));
    return this;
  }

  /** Resolves when that many more operations have been acknowledged. */
  async more(operations: number): Promise<void> {
    const goal = this.#done + operations;
    while (this.#done < goal && !this.#stop) await pause(systemClock, 2);
  }

  /** Operations acknowledged so far. */
  get done(): number {
    return this.#done;
  }

  /** From here on pauses count; what was before is forgotten. */
  watchPauses(): void {
    this.#longestMs = 0;
  }

  /** The longest that one operation took, in milliseconds. */
  get longestMs(): number {
    return Math.round(this.#longestMs);
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#working;
  }

  async #work(number: number, first: Client): Promise<void> {
    const chance = sequence((this.#options.seed ?? 1) * 1000 + number);
    const counts = { known: 0, unknown: 0 };
    this.increments.set(number, counts);
    let client: Client | undefined = first;
    for (let round = 0; !this.#stop; round++) {
      if (client === undefined) {
        if (this.#options.reconnect !== true) return;
        client = await open(this.#url).catch(() => undefined);
        if (client === undefined) await pause(systemClock, 20);
        continue;
      }
      const since = systemClock.monotonicMs();
      const lost = await this.#operate({ client, number, key: `${number}.${round}`, chance, counts });
      this.#longestMs = Math.max(this.#longestMs, systemClock.monotonicMs() - since);
      if (lost) {
        await client.end().catch(() => undefined);
        client = undefined;
      }
    }
    await client?.end().catch(() => undefined);
  }

  /** Resolves to true when the connection is lost. */
  async #operate(turn: Turn): Promise<boolean> {
    const { client, number, key, chance, counts } = turn;
    const kind = chance();
    let error: unknown;
    let operation = 'insert';
    if (kind < 0.4) {
      const entry = async () =>
        await client.query('insert into entries (key) values ($1) returning id', [key]);
      error = await this.ledger.record(key, entry, outcomeOf);
    } else if (kind < 0.75) {
      operation = 'transfer';
      error = await this.ledger.record(key, () => transfer(client, key, chance), outcomeOf);
      if (isSqlError(error)) await client.query('rollback').catch(() => undefined);
    } else if (kind < 0.9) {
      operation = 'update';
      try {
        await client.query('update counters set value = value + 1 where client = $1', [number]);
        counts.known += 1;
      } catch (failure) {
        error = failure;
        if (outcomeOf(failure) !== 'none') counts.unknown += 1;
      }
    } else {
      operation = 'read';
      error = await this.#readBack(client, number, counts.known);
    }
    if (error === undefined) this.#done += 1;
    else {
      const { code, message } = error as { code?: string; message: string };
      this.errors.push({ operation, sqlState: code, message });
    }
    return error !== undefined && !isSqlError(error);
  }

  async #readBack(client: Client, number: number, seen: number): Promise<unknown> {
    try {
      const { rows } = await client.query<{ value: string }>('select value from counters where client = $1', [
        number,
      ]);
      const shown = Number(rows[0]?.value);
      if (shown < seen) this.stepsBack.push({ client: number, seen, shown });
      return undefined;
    } catch (error) {
      return error;
    }
  }
}

interface Turn {
  readonly client: Client;
  readonly number: number;
  readonly key: string;
  readonly chance: () => number;
  readonly counts: { known: number; unknown: number };
}

async function transfer(client: Client, key: string, chance: () => number): Promise<void> {
  const one = 1 + Math.floor(chance() * accountCount);
  const other = 1 + ((one + Math.floor(chance() * (accountCount - 1))) % accountCount);
  // Always the lower account first, so that transfers wait for each other and never deadlock.
  const [payer, payee] = one < other ? [one, other] : [other, one];
  const amount = Math.floor(chance() * 100) - 50;
  await client.query('begin');
  await client.query('update accounts set balance = balance - $2 where id = $1', [payer, amount]);
  await client.query('update accounts set balance = balance + $2 where id = $1', [payee, amount]);
  await client.query('insert into transfers (key, payer, payee, amount) values ($1, $2, $3, $4)', [
    key,
    payer,
    payee,
    amount,
  ]);
  await client.query('commit');
}

async function open(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** What a client may conclude from an error: a server that answered has not done it, a broken connection leaves it open. */
function outcomeOf(error: unknown): Outcome {
  if (!isSqlError(error)) return 'unknown';
  // Connection exceptions, and a shutdown during the commit, say so themselves.
  const state = (error as { code: string }).code;
  return state.startsWith('08') || state === '57P01' || state === '40003' ? 'unknown' : 'none';
}

function isSqlError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error;
}

/** The same numbers for the same seed. */
function sequence(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
