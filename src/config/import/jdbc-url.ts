/** A JDBC address of PostgreSQL, in our words. Pure. */
import { memberUrl } from '../address.ts';

export interface JdbcAddress {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** As `tls.mode` says it. */
  readonly tlsMode?: string;
  /** What was in it and has no counterpart. */
  readonly left: readonly string[];
}

const PREFIX = /^jdbc:postgresql:/i;
const MODES: Readonly<Record<string, string>> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
};

/** The product that a JDBC address is for: `postgresql`, `mysql`; undefined when it is none. */
export function productOf(text: string): string | undefined {
  return /^jdbc:([a-z0-9]+):/i.exec(text)?.[1]?.toLowerCase();
}

export function readJdbcUrl(text: string): JdbcAddress | { readonly fault: string } {
  if (text.includes('${')) return { fault: 'it holds a variable of the other product' };
  if (!PREFIX.test(text))
    return { fault: 'it is not an address of the form jdbc:postgresql://host:port/database' };
  const [place = '', query = ''] = splitOnce(text.replace(PREFIX, ''), '?');
  const match = /^(?:\/\/([^/]*)\/)?([^/]*)$/.exec(place);
  const database = match?.[2] ?? '';
  if (match === null || database === '') return { fault: 'it names no database' };
  const [first = '', ...others] = (match[1] ?? '').split(',');
  const host = /^(\[[^\]]+\]|[^:]*)(?::(\d{1,5}))?$/.exec(first);
  if (host === null) return { fault: 'its host cannot be read' };
  const left = others.length === 0 ? [] : [`the further hosts ${others.join(', ')}`];
  const options = readOptions(query);
  const url = memberUrl({
    host: (host[1] ?? '').replaceAll(/[[\]]/g, '') || 'localhost',
    port: Number(host[2] ?? 5432),
    database: decodeURIComponent(database),
  });
  return { url, ...options, left: [...left, ...options.left] };
}

function readOptions(query: string): Omit<JdbcAddress, 'url'> {
  const left: string[] = [];
  const found: { username?: string; password?: string; tlsMode?: string } = {};
  for (const [key, value] of new URLSearchParams(query)) {
    const name = key.toLowerCase();
    const mode = name === 'sslmode' ? MODES[value] : undefined;
    if (name === 'user') found.username = value;
    else if (name === 'password') found.password = value;
    else if (mode !== undefined) found.tlsMode = mode;
    else if (name === 'ssl') {
      if (value === '' || value === 'true') found.tlsMode ??= 'verify-full';
    } else left.push(`the option ${key}`);
  }
  return { ...found, left };
}

function splitOnce(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
