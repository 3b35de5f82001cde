/** Somebody else's work, before, during and after an attack: it goes on, in time. */

import type { Client } from 'pg';
import { messageOf, pause, systemClock } from '../../src/base/index.ts';
import { connect } from '../support/index.ts';
import type { Stage } from './stage.ts';

/** What takes a few milliseconds on an idle machine, and two or three hundred on a very busy one. */
const inTimeMs = 6_000;
const betweenMs = 20;

export class Steady {
  readonly #writer: Client;
  readonly #underWay: Client;
  readonly #charges: string[] = [];
  readonly #word: string;
  #over = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(writer: Client, underWay: Client, word: string) {
    this.#writer = writer;
    this.#underWay = underWay;
    this.#word = word;
  }

  static async begin(stage: Stage): Promise<Steady> {
    const writer = await connect(stage.nodeUrl('postgres'));
    const underWay = await connect(stage.nodeUrl('postgres'));
    const steady = new Steady(writer, underWay, stage.secrets[2] ?? '');
    // What is captured of an open transaction concerns nobody else.
    await underWay.query('BEGIN');
    await underWay.query(`INSERT INTO shop.under_way VALUES (1, '${steady.#word}')`);
    steady.#writing = steady.#write();
    return steady;
  }

  /** While the attacker still holds whatever he holds. Resolves to what has not gone on. */
  async end(): Promise<readonly string[]> {
    this.#over = true;
    await this.#writing;
    await this.#inTime('a transaction under way', async () => {
      await this.#underWay.query('COMMIT');
    });
    for (let n = 1; n <= 2; n++) await this.#inTime('a commit after the attack', () => this.#insert(n));
    await this.#inTime('a schema statement after the attack', async () => {
      await this.#writer.query('CREATE TABLE shop.passing (i int)');
      await this.#writer.query('DROP TABLE shop.passing');
    });
    for (const client of [this.#writer, this.#underWay]) void client.end().catch(() => undefined);
    return this.#charges;
  }

  async #write(): Promise<void> {
    for (let n = 1; !this.#over; n++) {
      await this.#inTime('a commit during the attack', () => this.#insert(n));
      await pause(systemClock, betweenMs);
    }
  }

  async #insert(n: number): Promise<void> {
    await this.#writer.query('INSERT INTO shop.steady VALUES ($1)', [n]);
  }

  /** After the first that is late nothing else is asked for. */
  async #inTime(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#charges.length > 0) {
      this.#over = true;
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${inTimeMs} ms`)), inTimeMs);
    });
    const working = work();
    try {
      await Promise.race([working, late]);
    } catch (error) {
      working.catch(() => undefined);
      this.#charges.push(`${what} was stopped: ${messageOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}
