/** What one member holds of what the clients did, asked around Lockstep. */

import type { AskMember } from '../checkers/compare-members.ts';

export interface MemberContents {
  readonly id: string;
  /** Of every operation that leaves one, as often as it is there; of a COPY once. */
  readonly keys: readonly string[];
  readonly copies: readonly { readonly key: string; readonly found: number; readonly lines: number }[];
  readonly accounts: readonly {
    readonly id: number;
    readonly balance: number;
    readonly byTransfers: number;
  }[];
  readonly counters: ReadonlyMap<number, number>;
  /** Those that clients made. */
  readonly tables: readonly string[];
  readonly lists: ReadonlyMap<string, readonly string[]>;
}

export async function readContents(
  id: string,
  ask: AskMember,
  startBalance: number,
): Promise<MemberContents> {
  const keys = await ask(`
    select key from torture.entries union all select key from torture.transfers union all select key from torture.claims`);
  const copies = await ask('select key, count(*), max(lines) from torture.copies group by key');
  const accounts = await ask(`
    select a.id, a.balance, ${startBalance} - coalesce((select sum(amount) from torture.transfers where payer = a.id), 0)
      + coalesce((select sum(amount) from torture.transfers where payee = a.id), 0)
    from torture.accounts a order by 1`);
  const counters = await ask('select client, value from torture.counters');
  const tables = await ask(`
    select relname from pg_class
    where relnamespace = 'torture'::regnamespace and relkind = 'r' and relname like 'made\\_%' order by 1`);
  const lists = await ask('select key, items from torture.lists');
  return {
    id,
    keys: [...keys, ...copies].map(([key]) => key ?? ''),
    copies: copies.map(([key, found, lines]) => ({
      key: key ?? '',
      found: Number(found),
      lines: Number(lines),
    })),
    accounts: accounts.map(([account, balance, byTransfers]) => ({
      id: Number(account),
      balance: Number(balance),
      byTransfers: Number(byTransfers),
    })),
    counters: new Map(counters.map(([client, value]) => [Number(client), Number(value)])),
    tables: tables.map(([name]) => name ?? ''),
    lists: new Map(lists.map(([key, items]) => [key ?? '', (items ?? '').split(' ')])),
  };
}
