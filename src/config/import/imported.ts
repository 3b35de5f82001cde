/** What another product's file says, in our words, and what of it has no counterpart. */
import { productOf, readJdbcUrl } from './jdbc-url.ts';

export interface ImportedCluster {
  /** The product whose file it is. */
  readonly product: string;
  /** As it is called there; undefined when it has no name. */
  readonly name: string | undefined;
  readonly members: readonly ImportedMember[];
  readonly users: readonly ImportedUser[];
  readonly balancer?: string;
  readonly warnings: readonly string[];
}

export interface ImportedMember {
  readonly id: string;
  readonly url: string;
  readonly weight?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tlsMode?: string;
}

export interface ImportedUser {
  readonly name: string;
  readonly password: string;
}

/** A database as it is written there. */
export interface ForeignDatabase {
  readonly name: string | undefined;
  readonly url: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly weight: string | undefined;
}

const WEIGHT_MAX = 100;

/** The members in the order of the file; one that cannot be one is a warning. */
export function importMembers(
  databases: readonly ForeignDatabase[],
  warn: (text: string) => void,
): readonly ImportedMember[] {
  const taken = new Set<string>();
  return databases.flatMap((database, index) => {
    const called = database.name ?? `db${index + 1}`;
    const { url } = database;
    const product = url === undefined ? undefined : productOf(url);
    if (product !== undefined && product !== 'postgresql') {
      warn(`${called} runs ${product}, and is left out: members run PostgreSQL`);
      return [];
    }
    const read = url === undefined ? { fault: 'no address is given' } : readJdbcUrl(url);
    if ('fault' in read) {
      warn(`${called} is left out: ${read.fault}. Add it under \`members\` by hand`);
      return [];
    }
    for (const left of read.left)
      warn(`${called}: ${left} of its address has no counterpart, and is left out`);
    const id = idFrom(called, taken);
    if (id !== called) warn(`${called} is called ${id} here: ids are made of a–z, 0–9, "_" and "-"`);
    const username = database.username ?? read.username;
    const password = decodePassword(called, database.password ?? read.password, warn);
    return [
      {
        id,
        url: read.url,
        ...weightOf(called, database.weight, warn),
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
        ...(read.tlsMode !== undefined && { tlsMode: read.tlsMode }),
      },
    ];
  });
}

/** As ids and cluster names are written: what does not fit becomes a "-". */
export function asName(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return plain.slice(0, 63) || 'cluster';
}

function idFrom(text: string, taken: Set<string>): string {
  const plain = asName(text);
  let id = plain;
  for (let place = 2; taken.has(id); place += 1) id = `${plain.slice(0, 60)}-${place}`;
  taken.add(id);
  return id;
}

function weightOf(
  called: string,
  text: string | undefined,
  warn: (text: string) => void,
): { readonly weight?: number } {
  if (text === undefined) return {};
  const weight = Number(text);
  if (!Number.isInteger(weight) || weight < 0) {
    warn(`${called}: the weight ${text} is none, and is left out`);
    return {};
  }
  if (weight > WEIGHT_MAX)
    warn(`${called}: the weight ${weight} is more than ${WEIGHT_MAX}, and becomes that`);
  return { weight: Math.min(weight, WEIGHT_MAX) };
}

/** There a password may be written in hexadecimal (`16:`) or base64 (`64:`); one behind `?:` only that product can read. */
function decodePassword(
  called: string,
  text: string | undefined,
  warn: (text: string) => void,
): string | undefined {
  if (text?.startsWith('16:') === true) return Buffer.from(text.slice(3), 'hex').toString('utf8');
  if (text?.startsWith('64:') === true) return Buffer.from(text.slice(3), 'base64').toString('utf8');
  if (text?.startsWith('?:') !== true) return text;
  warn(`${called}: its password is encrypted for the other product, and is left out`);
  return undefined;
}
