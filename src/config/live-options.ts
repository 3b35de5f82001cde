/** What a running node takes over from its file without being started again, and what has changed in it. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Config, MemberConfig } from './config.ts';
import { showKey } from './problem.ts';
import { Secret } from './secret.ts';

/** An option of these, or in these sections. Whatever else there is needs a new start. */
const LIVE = [
  'listen.tls',
  'clients',
  'admin.users',
  'balancer',
  'probe',
  'deadlines',
  'sync',
  'verification',
  'hooks',
  'logging.level',
  'members.weight',
  'members.url',
  'password',
  'members.password',
];
/** Within them. */
const NOT_LIVE = ['sync.pgDump'];

/** For people. */
export function liveText(): string {
  const names = (keys: readonly string[]): string => keys.map((key) => `\`${key}\``).join(', ');
  return `${names(LIVE)}, but not ${names(NOT_LIVE)}`;
}

/** `path` as in `probe.intervalMs` or `members[1].weight`. */
export function isLive(path: string): boolean {
  const keys = path.replaceAll(/\[\d+\]/g, '');
  const within = (key: string): boolean => keys === key || keys.startsWith(`${key}.`);
  return LIVE.some(within) && !NOT_LIVE.some(within);
}

export interface ConfigChanges {
  /** Both in the words of `isLive`. */
  readonly live: readonly string[];
  readonly needsRestart: readonly string[];
}

/** `running` has the members that there are now. */
export function changedOptions(running: Config, next: Config): ConfigChanges {
  const { members: before, ...old } = running;
  const { members: after, ...fresh } = next;
  const paths = [...changedIn('', plain(old), plain(fresh)), ...changedMembers(before, after)].sort();
  // A password belongs to a name, and waits with it; and so do lists in which that name is said to prove it.
  const waits = (path: string): boolean =>
    !isLive(path) ||
    (path.endsWith('password') && paths.includes(path.replace(/password$/, 'username'))) ||
    ((path === 'clients' || path === 'admin.users') && paths.includes('username'));
  return { live: paths.filter((path) => !waits(path)), needsRestart: paths.filter(waits) };
}

/** What is in force from now on: of `next` what is live, of `running` the rest. */
export function takeLive(running: Config, next: Config): Config {
  const { tls: _tls, ...listen } = running.listen;
  const { balancer, probe, deadlines, verification, hooks } = next;
  const { pgDump: _, ...sync } = next.sync;
  const { pgDump } = running.sync;
  const { password: old, ...rest } = running;
  const renamed = next.username !== running.username;
  const password = renamed ? old : next.password;
  const { clients, admin } = renamed ? running : next;
  return {
    ...rest,
    ...(password !== undefined && { password }),
    listen: { ...listen, ...(next.listen.tls !== undefined && { tls: next.listen.tls }) },
    balancer,
    probe,
    deadlines,
    sync: { ...sync, ...(pgDump !== undefined && { pgDump }) },
    verification,
    clients,
    admin: { ...running.admin, users: admin.users },
    hooks,
    logging: { ...running.logging, level: next.logging.level },
    members: running.members.map((member) => {
      const wanted = next.members.find(({ id }) => id === member.id);
      return wanted === undefined ? member : liveOf(member, wanted);
    }),
  };
}

/** Who logs in under another name does so from the next start on, with that name's password. */
function liveOf({ password: old, ...member }: MemberConfig, wanted: MemberConfig): MemberConfig {
  const { weight, url, host, port, database } = wanted;
  const password = wanted.username === member.username ? wanted.password : old;
  return { ...member, weight, url, host, port, database, ...(password !== undefined && { password }) };
}

function changedMembers(before: readonly MemberConfig[], after: readonly MemberConfig[]): readonly string[] {
  const gone = before.some(({ id }) => !after.some((member) => member.id === id));
  const changed = after.flatMap((member, index) => {
    const old = before.find(({ id }) => id === member.id);
    const path = showKey(['members', index]);
    return old === undefined ? [path] : changedIn(`${path}.`, asWritten(old), asWritten(member));
  });
  return [...(gone ? ['members'] : []), ...changed];
}

/** The parts of the URL are said with it. */
function asWritten({
  host: _h,
  port: _p,
  database: _d,
  ...member
}: MemberConfig): Readonly<Record<string, unknown>> {
  return plain(member);
}

/** By key; lists, and what comes from several files, as a whole. */
function changedIn(
  prefix: string,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): readonly string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => key !== 'file');
  return keys.flatMap((key) => {
    const path = `${prefix}${key}`;
    const [old, fresh] = [before[key], after[key]];
    if (isDeepStrictEqual(old, fresh)) return [];
    return isSection(old) && isSection(fresh) && key !== 'tls' ? changedIn(`${path}.`, old, fresh) : [path];
  });
}

/** With its secrets as text, because two of them look alike. */
function plain(value: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]));
}

function plainValue(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(plainValue);
  return typeof value === 'object' && value !== null ? plain(value) : value;
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
