/** Everything that the clients did, and what they were told. Nothing else is evidence, beside what the members hold. */

import type { Outcome } from '../../base/index.ts';
import { AckLedger } from '../checkers/ack-ledger.ts';
import type { ListTransaction } from '../checkers/list-history.ts';

export interface OperationRecord {
  readonly client: number;
  /** A connection: the client's next one is another session. */
  readonly session: string;
  readonly work: string;
  readonly key: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: Outcome;
  readonly error?: string | undefined;
}

export interface ClientError {
  readonly atMs: number;
  readonly session: string;
  readonly work: string;
  /** Undefined: the connection was lost. */
  readonly sqlState: string | undefined;
  readonly message: string;
}

/** Increments of one counter: those that were acknowledged, and those that may have happened. */
export interface Increments {
  known: number;
  unknown: number;
}

export type TableFate = 'there' | 'gone' | 'unknown';

export class TortureHistory {
  readonly ledger = new AckLedger();
  readonly operations: OperationRecord[] = [];
  /** Of the round that runs. */
  lists: ListTransaction[] = [];
  readonly increments = new Map<number, Increments>();
  /** Each with the session that was given it. */
  readonly tickets: { readonly value: string; readonly session: string }[] = [];
  readonly tables = new Map<string, TableFate>();
  readonly errors: ClientError[] = [];
  /** What a client saw that no history allows, in sentences. */
  readonly sightings: string[] = [];
  readonly hangs: string[] = [];
  /** See `ListHistory.mayVanishUpTo`. */
  mayVanishUpTo = -1;
  #moment = 0;
  #acknowledged = 0;

  /** A number for this instant: later ones are higher. */
  moment(): number {
    this.#moment += 1;
    return this.#moment;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  ended(record: OperationRecord): void {
    this.operations.push(record);
    if (record.outcome === 'done') this.#acknowledged += 1;
  }

  count(counter: number, outcome: Outcome): void {
    const counts = this.increments.get(counter) ?? { known: 0, unknown: 0 };
    this.increments.set(counter, counts);
    if (outcome === 'done') counts.known += 1;
    if (outcome === 'unknown') counts.unknown += 1;
  }

  /** JSON lines, in the order of the moments. */
  *lines(): Generator<string> {
    const lists = this.lists.map((one) => ({ at: one.startedAt, line: { work: 'list', ...one } }));
    const others = this.operations.map((one) => ({ at: one.startedAt, line: one }));
    for (const { line } of [...lists, ...others].toSorted((one, other) => one.at - other.at))
      yield `${JSON.stringify(line)}\n`;
  }
}
