/** The tables that the clients work on, made through the node; all in one schema, so that one statement removes them. */

export const accountCount = 40;
export const startBalance = 1000;
export const sharedCounter = -1;

export function schemaFor(clients: number): string {
  return `
    create schema torture;
    create table torture.lists (key text primary key, items text not null);
    create table torture.accounts (id int primary key, balance bigint not null);
    insert into torture.accounts select n, ${startBalance} from generate_series(1, ${accountCount}) n;
    create table torture.transfers (key text primary key, payer int not null, payee int not null, amount int not null);
    create table torture.entries (id bigserial unique, key text primary key, note text not null default md5(random()::text),
      at timestamptz not null default clock_timestamp());
    create table torture.claims (slot int primary key, key text not null unique);
    create table torture.counters (client int primary key, value bigint not null);
    insert into torture.counters select n, 0 from generate_series(${sharedCounter}, ${clients - 1}) n;
    create table torture.copies (key text not null, line int not null, lines int not null, filler text, primary key (key, line));
    create sequence torture.tickets;`;
}
