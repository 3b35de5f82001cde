/** A URL as it is pasted, also from JDBC, in the parts that each have a field of their own. Pure. */

export interface UrlParts {
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** Undefined: there is nothing in it that does not belong there, or it is no URL. */
export function takeUrlApart(text: string): UrlParts | undefined {
  const given = text.trim();
  const isJdbc = /^jdbc:postgresql:\/\//i.test(given);
  const plain = isJdbc ? given.slice('jdbc:'.length) : given;
  if (!/^postgres(ql)?:\/\//i.test(plain) || !URL.canParse(plain)) return undefined;
  const url = new URL(plain);
  const query = url.searchParams;
  const username = decoded(url.username) || (isJdbc ? query.get('user') : null) || undefined;
  const password = decoded(url.password) || (isJdbc ? query.get('password') : null) || undefined;
  if (!isJdbc && username === undefined && password === undefined) return undefined;
  url.username = '';
  url.password = '';
  if (isJdbc) {
    query.delete('user');
    query.delete('password');
  }
  return { url: url.toString().replace(/^postgresql:/i, 'postgres:'), username, password };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
