/** Schema statements in between: a table is made, changed, and dropped again, by one client. */

import { autocommit, recorded, transact } from './work.ts';
import type { Ended, Turn } from './work.ts';

const tablesMax = 6;

export function changeSchema(turn: Turn): Promise<Ended> {
  const { random, history } = turn;
  const there = [...history.tables].filter(([, fate]) => fate === 'there').map(([name]) => name);
  if (there.length === 0) return make(turn);
  if (there.length >= tablesMax || random.happens(0.25)) return drop(turn, random.pick(there));
  return random.happens(0.5) ? make(turn) : change(turn, random.pick(there));
}

/** The table and the row that tells of it are there together, or neither is. */
async function make(turn: Turn): Promise<Ended> {
  const { client, key, history } = turn;
  const name = `made_${key.replaceAll('.', '_')}`;
  const ended = await recorded(turn, () =>
    transact(turn, 'read committed', async () => {
      await client.query(`create table torture.${name} (id serial primary key, v text default 'x')`);
      await client.query(`insert into torture.${name} (v) select n::text from generate_series(1, 5) n`);
      await client.query(`insert into torture.entries (key) values ('${key}')`);
    }),
  );
  history.tables.set(name, fateAfter(ended, 'there', 'gone'));
  return ended;
}

function change({ client, random, key }: Turn, name: string): Promise<Ended> {
  const column = `c${key.replaceAll('.', '_')}`;
  return autocommit(() =>
    client.query(
      random.pick([
        `alter table torture.${name} add column ${column} int default 7`,
        `create index on torture.${name} (v)`,
        `insert into torture.${name} (v) values ('${key}')`,
      ]),
    ),
  );
}

async function drop({ client, history }: Turn, name: string): Promise<Ended> {
  const ended = await autocommit(() => client.query(`drop table torture.${name}`));
  history.tables.set(name, fateAfter(ended, 'gone', 'there'));
  return ended;
}

function fateAfter<T>({ outcome }: Ended, done: T, none: T): T | 'unknown' {
  if (outcome === 'unknown') return 'unknown';
  return outcome === 'done' ? done : none;
}
