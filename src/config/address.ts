/** Reads the two kinds of address in the file: where a member is, and where the node listens. Pure; never throws. */

export interface MemberAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username?: string;
  readonly password?: string;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What is wrong with an address, in words for its author. */
export interface AddressFault {
  readonly fault: string;
}

const POSTGRES_PORT = 5432;

/** Also as JDBC writes it, with user and password behind the question mark. */
export function parseMemberUrl(given: string): MemberAddress | AddressFault {
  const text = withoutJdbc(given.trim());
  if (!URL.canParse(text)) return { fault: 'this is not a URL' };
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    return { fault: `the URL starts with "${url.protocol}//"` };
  }
  if (url.hostname === '') return { fault: 'the URL names no host' };
  if (url.search !== '' || url.hash !== '') {
    return { fault: 'the URL carries options after "?" or "#"; write them as keys of the member instead' };
  }
  const path = decode(url.pathname.slice(1));
  const username = decode(url.username);
  const password = decode(url.password);
  const host = decode(url.hostname);
  if (path === undefined || username === undefined || password === undefined || host === undefined) {
    return { fault: 'the URL holds a "%" that encodes nothing' };
  }
  if (host.includes('/')) return { fault: 'the URL names a Unix socket; members are reached by TCP alone' };
  if (host.includes(',')) return { fault: 'the URL names several hosts; a member is one server' };
  if (path === '') return { fault: 'the URL names no database' };
  if (path.includes('/')) return { fault: 'the URL has more than one "/" after the host' };
  return {
    host: withoutBrackets(host),
    port: url.port === '' ? POSTGRES_PORT : Number(url.port),
    database: path,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  };
}

/** The canonical URL of a member, never with a name or password in it. */
export function memberUrl(address: Pick<MemberAddress, 'host' | 'port' | 'database'>): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `postgres://${host}:${address.port}/${encodeURIComponent(address.database)}`;
}

export function parseListenAddress(text: string): ListenAddress | AddressFault {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text);
  if (match === null) return { fault: 'this is not of the form host:port' };
  const host = match[1] ?? match[2] ?? '';
  if (host === '' || host === '*') return { fault: 'no host is named; 0.0.0.0 means every interface' };
  const port = Number(match[3]);
  if (port > 65535) return { fault: `there is no port ${port}` };
  return { host, port };
}

export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

/** `jdbc:postgresql://host/database?user=u&password=p` → `postgresql://u:p@host/database`; whatever else is asked for there stays. */
function withoutJdbc(text: string): string {
  const match = /^jdbc:(postgresql:\/\/)([^?#]*)(?:\?([^#]*))?$/i.exec(text);
  if (match === null) return text;
  const [, scheme = '', place = '', query = ''] = match;
  const options = new URLSearchParams(query);
  const [user, password] = [options.get('user'), options.get('password')];
  options.delete('user');
  options.delete('password');
  const login =
    user === null || place.includes('@')
      ? ''
      : `${encodeURIComponent(user)}${password === null ? '' : `:${encodeURIComponent(password)}`}@`;
  return `${scheme}${login}${place}${options.size === 0 ? '' : `?${options.toString()}`}`;
}

/** A login that stands in the URL is put where logins are, and the URL is as it is shown to everybody. */
export function takeApart<
  T extends { readonly url: string; readonly username?: unknown; readonly password?: unknown },
>(entry: T): T {
  const address = parseMemberUrl(entry.url);
  if ('fault' in address) return entry;
  const { username, password } = address;
  return {
    ...entry,
    url: memberUrl(address),
    ...(username !== undefined && entry.username === undefined && { username }),
    ...(password !== undefined && entry.password === undefined && { password }),
  };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}
