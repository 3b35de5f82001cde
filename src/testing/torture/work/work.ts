/** What every kind of work shares. */

import type { Outcome } from '../../../base/index.ts';
import type { IsolationLevel } from '../../checkers/list-history.ts';
import type { PlainClient } from '../../postgres/plain-client.ts';
import type { SeededRandom } from '../../simulation/seeded-random.ts';
import { outcomeOf, sqlStateOf } from '../answers.ts';
import type { TortureHistory } from '../torture-history.ts';
import type { ListKeys } from './list-keys.ts';

/** One client's turn: one operation, over a connection that is open. */
export interface Turn {
  readonly client: PlainClient;
  readonly number: number;
  readonly session: string;
  /** Nobody else's, ever. */
  readonly key: string;
  readonly random: SeededRandom;
  readonly history: TortureHistory;
  readonly lists: ListKeys;
}

export interface Ended {
  readonly outcome: Outcome;
  readonly error?: unknown;
}

/** Never throws: errors are what it is about. */
export type Work = (turn: Turn) => Promise<Ended>;

const done: Ended = { outcome: 'done' };

export function pickLevel(random: SeededRandom): IsolationLevel {
  return random.pick(['read committed', 'read committed', 'repeatable read', 'serializable'] as const);
}

/** Work that one request does by itself. */
export async function autocommit(request: () => Promise<unknown>): Promise<Ended> {
  try {
    await request();
    return done;
  } catch (error) {
    return { outcome: outcomeOf(error, true), error };
  }
}

export async function transact(
  turn: Turn,
  level: IsolationLevel,
  statements: () => Promise<unknown>,
): Promise<Ended> {
  const { client, history, session, key } = turn;
  let decisive = false;
  try {
    await client.query(`begin isolation level ${level}`);
    await statements();
    decisive = true;
    await client.query('commit');
    if (client.tag !== 'COMMIT')
      history.sightings.push(
        `${session} ${key}: COMMIT was answered with ${client.tag}, and no error before`,
      );
    return done;
  } catch (error) {
    if (sqlStateOf(error) !== undefined) await client.query('rollback').catch(() => undefined);
    return { outcome: outcomeOf(error, decisive), error };
  }
}

/** Work whose key is in the ledger: whether it happened will be seen. */
export async function recorded(turn: Turn, work: () => Promise<Ended>): Promise<Ended> {
  const { ledger } = turn.history;
  ledger.begin(turn.key);
  const ended = await work();
  if (ended.outcome === 'done') ledger.acknowledged(turn.key);
  else if (ended.outcome === 'none') ledger.failed(turn.key);
  else ledger.unknown(turn.key);
  return ended;
}
