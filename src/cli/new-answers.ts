/** What is right and wrong in the answers from which a first configuration is made, whoever asks for them. */
import { parseListenAddress, parseMemberUrl } from '../config/index.ts';
import type { CheckReport } from './program.ts';
import { findingsOf } from './show-check.ts';

const NAME = /^[a-z0-9_-]{1,63}$/;

export function nameFault(text: string): string | undefined {
  return NAME.test(text) ? undefined : '1 to 63 characters, each one of a–z, 0–9, "_" and "-"';
}

export function urlFault(url: string): string | undefined {
  const address = parseMemberUrl(url);
  if ('fault' in address) return `${address.fault}; it is of the form postgres://host:port/database`;
  return address.password === undefined
    ? undefined
    : 'a password does not belong in a URL, where others see it';
}

export function listenFault(text: string): string | undefined {
  const address = parseListenAddress(text);
  return 'fault' in address ? address.fault : undefined;
}

export function clientsFault(
  names: readonly string[],
  username: string,
  hasPassword: boolean,
): string | undefined {
  if (names.length === 0) return 'name one at least';
  return names.includes(username) && !hasPassword ? `${username} has no password to prove` : undefined;
}

/** `$NAME`: the password is in that variable of the environment. */
export function variableIn(password: string): string | undefined {
  return /^\$(\w+)$/.exec(password)?.[1];
}

export function passwordFault(
  password: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const name = variableIn(password);
  return name === undefined || env[name] !== undefined
    ? undefined
    : `the environment variable ${name} is not set`;
}

export function hasFailed(report: CheckReport): boolean {
  return findingsOf(report).some(({ ok }) => ok === 'fail');
}
