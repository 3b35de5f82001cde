/** The clients of a run: each works on its own connection, connects again when that is lost, and writes everything down. */

import { pause, systemClock } from '../../base/index.ts';
import { PlainClient } from '../postgres/plain-client.ts';
import type { PlainClientOptions } from '../postgres/plain-client.ts';
import { SeededRandom } from '../simulation/seeded-random.ts';
import { describeError, isExplained, isLate, sqlStateOf } from './answers.ts';
import type { TortureHistory } from './torture-history.ts';
import { pickWork } from './work/index.ts';
import type { WorkName } from './work/index.ts';
import { ListKeys } from './work/list-keys.ts';

export interface CrewOptions {
  readonly clients: number;
  /** Where the node is, as clients see it. */
  readonly address: Omit<PlainClientOptions, 'deadlineMs'>;
  readonly works: readonly WorkName[];
  /** Every answer comes within this time, whatever happens. */
  readonly answerMs: number;
  /** Between two operations of a client; 0: none. */
  readonly thinkMs: number;
  readonly random: SeededRandom;
  readonly history: TortureHistory;
  readonly round: number;
}

/** A client that finds nobody tries again after this time. */
const reconnectMs = 50;

export class Crew {
  readonly lists: ListKeys;
  readonly #options: CrewOptions;
  readonly #working: Promise<unknown>;
  #stopping = false;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.lists = new ListKeys(options.round);
    this.#working = Promise.all(
      Array.from({ length: options.clients }, (_, number) => this.#work(number, options.random.fork())),
    );
  }

  /** Resolves when that many more operations have been acknowledged; to false when `giveUpMs` has passed before. */
  async more(operations: number, giveUpMs: number): Promise<boolean> {
    const { history } = this.#options;
    const goal = history.acknowledged + operations;
    const until = systemClock.monotonicMs() + giveUpMs;
    while (history.acknowledged < goal) {
      if (systemClock.monotonicMs() > until) return false;
      await pause(systemClock, 5);
    }
    return true;
  }

  /** Each ends what it has begun. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#working;
  }

  async #work(number: number, random: SeededRandom): Promise<void> {
    const { round, thinkMs } = this.#options;
    let client: PlainClient | undefined;
    let session = '';
    for (let turn = 0; !this.#stopping; turn++) {
      if (client === undefined || client.ended) {
        session = `c${number}.${round}.${turn}`;
        client = await this.#connect(session);
        if (client === undefined) await pause(systemClock, reconnectMs);
        continue;
      }
      await this.#operate({ client, number, session, key: `${round}.${number}.${turn}`, random });
      if (thinkMs > 0) await pause(systemClock, random.between(0, 2 * thinkMs));
      // Now and then a session ends as sessions do.
      if (random.happens(0.01)) client.close();
    }
    client?.close();
  }

  async #connect(session: string): Promise<PlainClient | undefined> {
    const { address, answerMs } = this.#options;
    try {
      return await PlainClient.connect({ ...address, deadlineMs: answerMs });
    } catch (error) {
      this.#noteError(session, 'connect', error);
      return undefined;
    }
  }

  async #operate(turn: {
    readonly client: PlainClient;
    readonly number: number;
    readonly session: string;
    readonly key: string;
    readonly random: SeededRandom;
  }): Promise<void> {
    const { history, works } = this.#options;
    const { client, number, session, key, random } = turn;
    // One client alone changes the schema: others would only wait for it.
    const mine = number === 0 ? works : works.filter((name) => name !== 'schema');
    const { name, work } = pickWork(random, mine);
    const startedAt = history.moment();
    const { outcome, error } = await work({ ...turn, history, lists: this.lists });
    const told = error === undefined ? undefined : describeError(error);
    const endedAt = history.moment();
    history.ended({ client: number, session, work: name, key, startedAt, endedAt, outcome, error: told });
    if (error === undefined) return;
    this.#noteError(session, `${name} ${key}`, error);
    // The answer to what was asked may still come: nothing more is asked here.
    if (sqlStateOf(error) === undefined) client.close();
  }

  #noteError(session: string, work: string, error: unknown): void {
    const { history, answerMs } = this.#options;
    const sqlState = sqlStateOf(error);
    if (isLate(error)) history.hangs.push(`${session} ${work}: no answer within ${answerMs} ms`);
    const message = describeError(error);
    history.errors.push({ atMs: systemClock.monotonicMs(), session, work, sqlState, message });
    if (!isExplained(sqlState)) history.sightings.push(`${session} ${work} was told: ${message}`);
  }
}
