/** From checked options to the configuration: secrets and certificates read, paths absolute, defaults that depend on others. */
import { dirname, resolve as resolvePath } from 'node:path';
import { messageOf } from '../base/index.ts';
import { isLoopback, memberUrl } from './address.ts';
import type { Complaint } from './check-shape.ts';
import type { Config, HookConfig, ListenTls, LoginConfig, MemberConfig, MemberTls } from './config.ts';
import type { KeyPath } from './problem.ts';
import { whoeverIsHere } from './check-sense.ts';
import type { FileHook, FileLogin, FileMember, FileOptions, FileSecret } from './schema.ts';
import { Secret } from './secret.ts';

/** What the configuration may read besides its own file. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text and permission bits; rejects when the file cannot be read. */
  readonly readFile: (path: string) => Promise<{ readonly text: string; readonly mode: number }>;
}

export interface Resolved {
  readonly config: Config;
  readonly complaints: readonly Complaint[];
}

export async function resolveConfig(
  file: string,
  options: FileOptions,
  surroundings: Surroundings,
): Promise<Resolved> {
  const reader = new OutsideReader(dirname(file), surroundings);
  const password = await reader.secret(['password'], options.password);
  const members: MemberConfig[] = [];
  for (const [index, member] of options.members.entries()) {
    members.push(await resolveMember(reader, options, member, ['members', index]));
  }
  const logins = (list: readonly FileLogin[], path: KeyPath): Promise<readonly LoginConfig[]> =>
    resolveLogins(reader, list, path, { name: options.username, password });
  const here = whoeverIsHere(options);
  const clients = await logins(options.clients ?? (here === undefined ? [] : [here]), ['clients']);
  const operators = await logins(options.admin.users, ['admin', 'users']);
  const hooks: HookConfig[] = [];
  for (const [index, hook] of options.hooks.entries()) {
    hooks.push(await resolveHook(reader, dirname(file), hook, ['hooks', index]));
  }
  const listenTls = await resolveListenTls(reader, options);
  const { cluster, dialect, username, balancer, source, probe, deadlines, log, limits, logging } = options;
  const { admin, sync, verification } = options;
  const pgDump = sync.pgDump === undefined ? undefined : resolvePath(dirname(file), sync.pgDump);
  const config: Config = {
    file,
    cluster,
    dialect,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    members,
    listen: {
      postgres: options.listen.postgres,
      ...(options.listen.admin !== undefined && { admin: options.listen.admin }),
      ...(listenTls !== undefined && { tls: listenTls }),
    },
    admin: { ...admin, users: operators },
    clients,
    state: resolvePath(dirname(file), options.state),
    balancer,
    ...(source !== undefined && { source }),
    probe,
    deadlines,
    log,
    sync: { ...sync, ...(pgDump !== undefined && { pgDump }) },
    verification,
    limits,
    hooks,
    logging,
  };
  return { config, complaints: reader.complaints };
}

/** `own`: of the cluster. Whoever is listed by that name proves that password. */
async function resolveLogins(
  reader: OutsideReader,
  list: readonly FileLogin[],
  path: KeyPath,
  own: { readonly name: string | undefined; readonly password: Secret | undefined },
): Promise<readonly LoginConfig[]> {
  const resolved: LoginConfig[] = [];
  for (const [index, { name, password: given, trust }] of list.entries()) {
    const password =
      given === undefined && trust === undefined && name === own.name
        ? own.password
        : await reader.secret([...path, index, 'password'], given);
    resolved.push({
      name,
      ...(password !== undefined && { password }),
      ...(trust !== undefined && { trust }),
    });
  }
  return resolved;
}

async function resolveMember(
  reader: OutsideReader,
  options: FileOptions,
  member: FileMember,
  path: KeyPath,
): Promise<MemberConfig> {
  const { host, port, database } = member.url;
  const own = member.password ?? member.url.password;
  const password =
    own === undefined
      ? await reader.secret(['password'], options.password)
      : await reader.secret([...path, 'password'], own);
  return {
    id: member.id,
    url: memberUrl(member.url),
    host,
    port,
    database,
    weight: member.weight,
    username: member.username ?? member.url.username ?? options.username ?? '',
    ...(password !== undefined && { password }),
    tls: await resolveMemberTls(reader, options, member, path),
  };
}

async function resolveMemberTls(
  reader: OutsideReader,
  options: FileOptions,
  member: FileMember,
  path: KeyPath,
): Promise<MemberTls> {
  const own = [...path, 'tls'];
  const text = async (key: 'ca' | 'cert' | 'key') => {
    const given = member.tls?.[key];
    const guarded = key === 'key';
    if (given !== undefined) return await reader.file([...own, key], given, { guarded });
    return await reader.file(['tls', key], options.tls?.[key], { guarded });
  };
  const [ca, cert, key] = [await text('ca'), await text('cert'), await text('key')];
  const fallback = isLoopback(member.url.host) ? 'prefer' : 'verify-full';
  return {
    mode: member.tls?.mode ?? options.tls?.mode ?? fallback,
    ...((member.tls?.md5 ?? options.tls?.md5) === true && { md5: true }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key: new Secret(key) }),
  };
}

async function resolveHook(
  reader: OutsideReader,
  directory: string,
  hook: FileHook,
  path: KeyPath,
): Promise<HookConfig> {
  const { name, on, run, post, timeoutMs, attempts } = hook;
  const authorization = await reader.secret([...path, 'authorization'], hook.authorization);
  const [program = '', ...words] = run ?? [];
  const named = program.includes('/') ? resolvePath(directory, program) : program;
  return {
    name,
    timeoutMs,
    attempts,
    ...(on !== undefined && { on }),
    ...(run !== undefined && { run: [named, ...words] }),
    // Whoever knows the address may often post to it.
    ...(post !== undefined && { post: new Secret(post) }),
    ...(authorization !== undefined && { authorization }),
  };
}

async function resolveListenTls(reader: OutsideReader, options: FileOptions): Promise<ListenTls | undefined> {
  const tls = options.listen.tls;
  if (tls === undefined) return undefined;
  const cert = await reader.file(['listen', 'tls', 'cert'], tls.cert, { guarded: false });
  const key = await reader.file(['listen', 'tls', 'key'], tls.key, { guarded: true });
  return { cert: cert ?? '', key: new Secret(key ?? ''), required: tls.required };
}

/** Reads what the file points to, and collects what went wrong on the way; each place is complained about once. */
class OutsideReader {
  readonly #directory: string;
  readonly #surroundings: Surroundings;
  readonly #complaints = new Map<string, Complaint>();

  constructor(directory: string, surroundings: Surroundings) {
    this.#directory = directory;
    this.#surroundings = surroundings;
  }

  get complaints(): readonly Complaint[] {
    return [...this.#complaints.values()];
  }

  async secret(path: KeyPath, given: FileSecret | undefined): Promise<Secret | undefined> {
    if (given === undefined) return undefined;
    const text = await this.#secretText(path, given);
    if (text === '') this.#complain({ path, message: 'the secret is empty' });
    return text === undefined ? undefined : new Secret(text);
  }

  async file(
    path: KeyPath,
    name: string | undefined,
    options: { readonly guarded: boolean },
  ): Promise<string | undefined> {
    if (name === undefined) return undefined;
    const full = resolvePath(this.#directory, name);
    try {
      const { text, mode } = await this.#surroundings.readFile(full);
      // Windows has no such bits; there they are read as 0666 for everybody.
      if (options.guarded && process.platform !== 'win32' && (mode & 0o077) !== 0) {
        this.#complain({
          path,
          severity: 'warning',
          message: `${full} can be read by others on this machine; cure: chmod 600 ${full}`,
        });
      }
      return text;
    } catch (error) {
      this.#complain({ path, message: `cannot be read: ${messageOf(error)}` });
      return undefined;
    }
  }

  async #secretText(path: KeyPath, given: FileSecret): Promise<string | undefined> {
    if (typeof given === 'string') return given;
    if ('file' in given) {
      const text = await this.file(path, given.file, { guarded: true });
      // Editors end a file with a newline; nobody means it to be part of the password.
      return text?.replace(/\r?\n$/, '');
    }
    const value = this.#surroundings.env[given.env];
    if (value === undefined) {
      this.#complain({ path, message: `the environment variable ${given.env} is not set` });
    }
    return value;
  }

  #complain(complaint: Complaint): void {
    this.#complaints.set(`${complaint.path.join('.')} ${complaint.message}`, complaint);
  }
}
