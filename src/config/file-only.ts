/**
 * What is changed in the file alone, by who may write it: whatever runs a program, reads a file, listens somewhere, lets somebody
 * in, or sends a password to where it was not sent before. An operator with a token has other means to do harm, but none to become
 * the user that runs the node. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { parseMemberUrl } from './address.ts';
import { showKey } from './problem.ts';
import type { KeyPath } from './problem.ts';

export interface FileOnlyChange {
  /** `hooks[0].run` */
  readonly path: string;
  readonly why: string;
}

type Section = Readonly<Record<string, unknown>>;

const SECTIONS: readonly KeyPath[] = [
  ['listen'],
  ['admin'],
  ['tls'],
  ['users'],
  ['clients'],
  ['state'],
  ['sync', 'pgDump'],
];

/** The first of them between two readings of a file. */
export function fileOnlyChange(before: unknown, after: unknown): FileOnlyChange | undefined {
  const section = SECTIONS.find((path) => !isDeepStrictEqual(at(before, path), at(after, path)));
  if (section !== undefined) return { path: showKey(section), why: 'it is changed in the file alone' };
  return (
    newPlace(['password'], at(before, ['password']), at(after, ['password'])) ??
    firstOf(at(after, ['hooks']), (hook, index) => hookChange(before, hook, ['hooks', index])) ??
    firstOf(at(after, ['members']), (member, index) => memberChange(before, member, ['members', index]))
  );
}

/** Where somebody who is no member would be asked for, with a password that is not theirs. */
export function foreignAddress(
  known: Iterable<{ readonly host: string; readonly port: number }>,
  asked: { readonly host: string; readonly port: number },
): boolean {
  return ![...known].some(({ host, port }) => host === asked.host && port === asked.port);
}

/** Of a file or a variable that the node would read. */
export function isSecretPlace(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function newPlace(path: KeyPath, before: unknown, after: unknown): FileOnlyChange | undefined {
  if (!isSecretPlace(after) || isDeepStrictEqual(before, after)) return undefined;
  return { path: showKey(path), why: 'where the node reads a secret is said in the file alone' };
}

function hookChange(before: unknown, hook: Section, path: KeyPath): FileOnlyChange | undefined {
  const old = entries(at(before, ['hooks'])).find(({ name }) => name === hook['name']) ?? {};
  if (hook['run'] !== undefined && !isDeepStrictEqual(hook['run'], old['run']))
    return { path: showKey([...path, 'run']), why: 'which program is run is said in the file alone' };
  const place = newPlace([...path, 'authorization'], old['authorization'], hook['authorization']);
  if (place !== undefined) return place;
  const kept =
    hook['authorization'] !== undefined && isDeepStrictEqual(hook['authorization'], old['authorization']);
  if (kept && originOf(hook['post']) !== originOf(old['post']))
    return {
      path: showKey([...path, 'post']),
      why: 'another address does not get the `authorization` of this one; give both',
    };
  return undefined;
}

function memberChange(before: unknown, member: Section, path: KeyPath): FileOnlyChange | undefined {
  const olds = entries(at(before, ['members']));
  const old = olds.find(({ id }) => id === member['id']) ?? {};
  if (!isDeepStrictEqual(member['tls'], old['tls']))
    return { path: showKey([...path, 'tls']), why: 'it is changed in the file alone' };
  const place = newPlace([...path, 'password'], old['password'], member['password']);
  if (place !== undefined) return place;
  if (at(before, ['password']) === undefined) return undefined;
  const url = addressOf(member);
  if (
    url === undefined ||
    !foreignAddress(
      olds.flatMap((one) => addressOf(one) ?? []),
      url,
    )
  )
    return undefined;
  const password = member['password'] ?? url.password;
  const own =
    password !== undefined && !isDeepStrictEqual(password, old['password'] ?? addressOf(old)?.password);
  const named = (member['username'] ?? url.username) !== undefined;
  return own && named ? undefined : { path: showKey([...path, 'url']), why: needsOwnPassword };
}

export const needsOwnPassword =
  'an address that is no member’s does not get the password of the cluster: give `username` and `password` with it';

function addressOf(member: Section) {
  const parsed = typeof member['url'] === 'string' ? parseMemberUrl(member['url']) : undefined;
  return parsed === undefined || 'fault' in parsed ? undefined : parsed;
}

function originOf(address: unknown): string | undefined {
  return typeof address === 'string' && URL.canParse(address) ? new URL(address).origin : undefined;
}

function firstOf(
  list: unknown,
  look: (entry: Section, index: number) => FileOnlyChange | undefined,
): FileOnlyChange | undefined {
  for (const [index, entry] of entries(list).entries()) {
    const found = look(entry, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function entries(list: unknown): readonly Section[] {
  return Array.isArray(list) ? list.map((entry) => (isSecretPlace(entry) ? (entry as Section) : {})) : [];
}

function at(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Section)[key as string]
        : undefined,
    value,
  );
}
