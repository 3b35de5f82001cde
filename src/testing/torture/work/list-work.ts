/** Transactions that append to lists and read them: see `checkers/list-history.ts`. */

import { pause, systemClock } from '../../../base/index.ts';
import type { ListStep } from '../../checkers/list-history.ts';
import { autocommit, pickLevel, transact } from './work.ts';
import type { Ended, Turn } from './work.ts';

export async function workOnLists(turn: Turn): Promise<Ended> {
  const { random, history, session, key: name } = turn;
  const level = pickLevel(random);
  const steps: ListStep[] = [];
  const startedAt = history.moment();
  const count = random.pick([1, 1, 2, 3, 4]);
  const alone = count === 1 && random.happens(0.6);
  const run = async (): Promise<void> => {
    for (let number = 0; number < count; number++) {
      if (number > 0 && random.happens(0.15)) await pause(systemClock, random.between(1, 40));
      await step(turn, `${name}.${number}`, steps);
    }
  };
  const ended = alone ? await autocommit(run) : await transact(turn, level, run);
  history.lists.push({
    name,
    session,
    // A statement alone is a transaction of the default level.
    level: alone ? 'read committed' : level,
    startedAt,
    acknowledgedAt: ended.outcome === 'done' ? history.moment() : undefined,
    outcome: ended.outcome,
    steps,
  });
  return ended;
}

async function step(
  { client, random, lists, history }: Turn,
  value: string,
  steps: ListStep[],
): Promise<void> {
  const key = lists.pick(random);
  if (random.happens(0.5)) {
    // Noted before it is sent: when no answer comes it may be there all the same.
    steps.push({ kind: 'append', key, value });
    lists.appended(key);
    await client.query(
      `insert into torture.lists as l values ($1, $2)
       on conflict (key) do update set items = l.items || ' ' || excluded.items`,
      [key, value],
    );
    return;
  }
  const at = history.moment();
  const rows = random.happens(0.5)
    ? await client.query('select items from torture.lists where key = $1', [key])
    : await client.query(`select items from torture.lists where key = '${key}'`);
  steps.push({ kind: 'read', key, values: rows[0]?.[0]?.split(' ') ?? [], at });
}
