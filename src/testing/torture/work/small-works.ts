/** Single statements, COPY, and transactions that take their time. */

import { pause, systemClock } from '../../../base/index.ts';
import { sharedCounter } from '../schema.ts';
import { sqlStateOf } from '../answers.ts';
import { autocommit, pickLevel, recorded, transact } from './work.ts';
import type { Ended, Turn } from './work.ts';

const longMs = { min: 100, max: 2500 };
const copyLinesMax = 400;
/** Clients that come together claim one of so many slots: the first gets it. */
const slotsOpen = 3;

export function enter(turn: Turn): Promise<Ended> {
  const { client, key } = turn;
  return recorded(turn, () =>
    autocommit(() => client.query('insert into torture.entries (key) values ($1) returning id', [key])),
  );
}

/** Whoever comes second to a slot is told so; the key of each acknowledged claim must be there. */
export async function claim(turn: Turn): Promise<Ended> {
  const { client, key, random, history } = turn;
  const slot = Math.floor(history.acknowledged / 8) * slotsOpen + random.below(slotsOpen);
  const ended = await recorded(turn, () =>
    autocommit(() => client.query(`insert into torture.claims values (${slot}, '${key}')`)),
  );
  return sqlStateOf(ended.error) === '23505' ? { outcome: 'none' } : ended;
}

export async function increment(turn: Turn): Promise<Ended> {
  const { client, number, random, history } = turn;
  const counter = random.happens(0.3) ? sharedCounter : number;
  const sql = `update torture.counters set value = value + 1 where client = ${counter}`;
  const ended = random.happens(0.7)
    ? await autocommit(() => client.query(sql))
    : await transact(turn, pickLevel(random), () => client.query(sql));
  history.count(counter, ended.outcome);
  return ended;
}

/** Nobody else writes this client's counter, so it shows what its client was told. */
export function readBack(turn: Turn): Promise<Ended> {
  const { client, number, history, session } = turn;
  const { known, unknown } = history.increments.get(number) ?? { known: 0, unknown: 0 };
  return autocommit(async () => {
    const rows = await client.query(`select value from torture.counters where client = ${number}`);
    const shown = Number(rows[0]?.[0]);
    if (shown < known || shown > known + unknown)
      history.sightings.push(
        `${session}: its counter shows ${shown}, after ${known} increments${unknown > 0 ? ` and perhaps ${unknown} more` : ''}`,
      );
  });
}

export function takeTicket(turn: Turn): Promise<Ended> {
  const { client, history, session } = turn;
  return autocommit(async () => {
    const rows = await client.query(`select nextval('torture.tickets')`);
    history.tickets.push({ value: rows[0]?.[0] ?? '', session });
  });
}

/** Holds its rows and its connection for a while, with a savepoint that is taken back in the middle. */
export function takeLong(turn: Turn): Promise<Ended> {
  const { client, key, random } = turn;
  return recorded(turn, () =>
    transact(turn, pickLevel(random), async () => {
      await client.query(`insert into torture.entries (key) values ('${key}')`);
      await pause(systemClock, random.between(longMs.min, longMs.max) / 2);
      await client.query('savepoint before');
      await client.query(`insert into torture.entries (key) values ('taken back ${key}')`);
      await client.query('rollback to before');
      await pause(systemClock, random.between(longMs.min, longMs.max) / 2);
      await client.query(`update torture.entries set note = note || '.' where key = '${key}'`);
    }),
  );
}

export function copyIn(turn: Turn): Promise<Ended> {
  const { client, key, random } = turn;
  const lines = 1 + random.below(copyLinesMax);
  const data = Array.from(
    { length: lines },
    (_, line) => `${key}\t${line}\t${lines}\t${'x'.repeat(line % 50)}\n`,
  );
  const copy = () => client.copyIn('copy torture.copies from stdin', data.join(''));
  return recorded(turn, () =>
    random.happens(0.5) ? autocommit(copy) : transact(turn, pickLevel(random), copy),
  );
}
