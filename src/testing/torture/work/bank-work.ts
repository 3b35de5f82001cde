/** Transfers between accounts, and readers who add up all balances. */

import { accountCount, startBalance } from '../schema.ts';
import { autocommit, pickLevel, recorded, transact } from './work.ts';
import type { Ended, Turn } from './work.ts';

export function transfer(turn: Turn): Promise<Ended> {
  const { client, key, random } = turn;
  const one = 1 + random.below(accountCount);
  const other = 1 + ((one + random.below(accountCount - 1)) % accountCount);
  // The lower account first: transfers wait for each other, and seldom deadlock with other work.
  const [payer, payee] = [Math.min(one, other), Math.max(one, other)];
  const amount = random.below(100) - 50;
  const statements = [
    `update torture.accounts set balance = balance - ${amount} where id = ${payer}`,
    `update torture.accounts set balance = balance + ${amount} where id = ${payee}`,
    `insert into torture.transfers values ('${key}', ${payer}, ${payee}, ${amount})`,
  ];
  return recorded(turn, () => {
    if (random.happens(0.2)) return autocommit(() => client.query(statements.join('; ')));
    return transact(turn, pickLevel(random), async () => {
      for (const sql of statements) await client.query(sql);
    });
  });
}

export async function addUp(turn: Turn): Promise<Ended> {
  const { client, random, history, session, key } = turn;
  const see = async (): Promise<void> => {
    const rows = await client.query('select sum(balance) from torture.accounts');
    const sum = Number(rows[0]?.[0]);
    if (sum !== accountCount * startBalance)
      history.sightings.push(
        `${session} ${key}: the accounts add up to ${sum}, not ${accountCount * startBalance}`,
      );
  };
  return random.happens(0.5) ? autocommit(see) : transact(turn, pickLevel(random), see);
}
