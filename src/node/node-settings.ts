/** The configuration of the running node, seen and changed by operators. */

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LockstepError, messageOf } from '../base/index.ts';
import type {
  Authority,
  Candidate,
  ConfigChanged,
  Finding,
  MemberChange,
  OptionChange,
  PreflightView,
  ReloadResult,
} from '../admin/index.ts';
import {
  changeOptions,
  foreignAddress,
  isLive,
  isLoopback,
  isSecretPlace,
  memberUrl,
  needsOwnPassword,
  parseMemberUrl,
  restoreMembers,
  Secret,
  showConfig,
  takeApart,
} from '../config/index.ts';
import type { Config, ConfigView, MemberConfig } from '../config/index.ts';
import { comparePreflight, explainConnection, preflightMember } from '../dialects/postgres/index.ts';
import type { PreflightReport, Reach } from '../dialects/postgres/index.ts';
import type { ConfigWatch } from './config-watch.ts';
import { clientRoles } from './door-of.ts';
import type { BuiltMember, BuiltMembers } from './build-members.ts';

export interface SettingsParts {
  readonly config: Config;
  readonly built: BuiltMembers;
  readonly primaryId: () => string;
  readonly reload: () => Promise<ReloadResult>;
  readonly watch: ConfigWatch;
  /** Where clients are served. */
  readonly address: () => string;
}

/** What a database is called that is not a member yet. */
const CANDIDATE = 'new';

export class NodeSettings {
  readonly #parts: SettingsParts;
  /** One change at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: SettingsParts) {
    this.#parts = parts;
  }

  show(): Promise<ConfigView> {
    return showConfig(this.#parts.config.file, { taken: this.#parts.watch.taken });
  }

  /** Resolves with those that were put back. */
  async restoreMembers(): Promise<readonly string[]> {
    const { config, built, watch } = this.#parts;
    const ids = built.members.map((one) => one.config.id);
    const restored = await restoreMembers(config.file, { ids, before: watch.members });
    await watch.look();
    return restored;
  }

  change(changes: readonly OptionChange[], by: Authority): Promise<ConfigChanged> {
    const turn = this.#queue.then(() => this.#change(changes, by));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #change(changes: readonly OptionChange[], by: Authority): Promise<ConfigChanged> {
    const { undo } = await changeOptions(this.#parts.config.file, changes, by);
    let reloaded: ReloadResult;
    try {
      reloaded = await this.#parts.reload();
    } catch (error) {
      await undo();
      await this.#parts.watch.look();
      throw atField(
        error,
        changes.map(({ path }) => path),
      );
    }
    const paths = changes.map(({ path }) => path);
    const waits = (path: string): boolean =>
      !isLive(path) || reloaded.needsRestart.some((one) => one === path || one.startsWith(`${path}.`));
    return { applied: paths.filter((path) => !waits(path)), needsRestart: paths.filter(waits) };
  }

  async editMember(id: string, change: MemberChange, by: Authority): Promise<ConfigChanged> {
    const { values } = await this.show();
    const members = (values as { readonly members?: readonly { readonly id?: unknown }[] } | null)?.members;
    const index = members?.findIndex((member) => member.id === id) ?? -1;
    if (index === -1) {
      throw new LockstepError({
        code: 'cluster.unknown-member',
        message: `there is no member ${id} in the configuration`,
        field: 'member',
      });
    }
    const path = (key: string): string => `members[${index}].${key}`;
    const { url } = change;
    const tidy = url === undefined ? change : takeApart({ ...change, url });
    const changes = Object.entries(tidy).map(([key, value]) => ({
      path: path(key),
      value: value as unknown,
    }));
    // The caller's own words for what is wrong.
    return await this.change(changes, by).catch((error: unknown) => {
      if (!(error instanceof LockstepError) || error.field === undefined) throw error;
      const { code, message, hint, field } = error;
      throw new LockstepError({
        code,
        message,
        field: field.replace(/^members\[\d+\]\./, ''),
        ...(hint !== undefined && { hint }),
      });
    });
  }

  async preflight(candidate: Candidate, by: Authority): Promise<PreflightView> {
    this.check(candidate, by);
    const { built, primaryId } = this.#parts;
    const primary = built.members.find(({ config }) => config.id === primaryId());
    const isNew = candidate.url !== undefined;
    const looked = isNew ? [await this.candidate(candidate)] : built.members;
    const reports = new Map<string, PreflightReport>();
    const members = await Promise.all(
      looked.map(async (one) => {
        const { id, url } = one.config;
        const unreached = new Map<string, Reach>();
        const findings = await this.#lookAt(one, reports, isNew, unreached);
        const reach = unreached.get(id) ?? 'database';
        return { id, url, findings, reach, ...(isNew && this.#whatItIs(id, reports.get(id))) };
      }),
    );
    // What is new is held against what is there.
    if (isNew && reports.size > 0 && primary !== undefined && !reports.has(primary.config.id)) {
      const newest = [...reports];
      reports.clear();
      await this.#lookAt(primary, reports, false);
      for (const [id, report] of newest) reports.set(id, report);
    }
    return { members, cluster: reports.size > 1 ? comparePreflight(reports) : [] };
  }

  check(candidate: Candidate, by: Authority): void {
    if (by === 'operator') checkCandidate(candidate, this.#parts.config, this.#parts.built.members);
  }

  /** Of a database that is not a member, or not reached in this way. */
  #whatItIs(id: string, report: PreflightReport | undefined): Partial<PreflightView['members'][number]> {
    if (report === undefined) return {};
    const { marks, contents } = report;
    const ours = marks !== undefined && marks.clusterId === this.#parts.config.cluster;
    return {
      ...(contents !== undefined && {
        holds: contents.tables === 0 ? ('nothing' as const) : ours ? ('ours' as const) : ('its own' as const),
      }),
      ...(ours && marks.memberId !== id && !this.#isMember(marks.memberId) && { former: marks.memberId }),
    };
  }

  #isMember(id: string): boolean {
    return this.#parts.built.members.some(({ config }) => config.id === id);
  }

  async #lookAt(
    { member, config }: BuiltMember,
    reports: Map<string, PreflightReport>,
    candidate: boolean,
    unreached: Map<string, Reach> = new Map(),
  ): Promise<readonly Finding[]> {
    const { cluster: clusterId } = this.#parts.config;
    try {
      const report = await member.useBare((connection) =>
        preflightMember(connection, {
          memberId: config.id,
          clusterId,
          clients: clientRoles(this.#parts.config),
          ...(candidate && { candidate }),
        }),
      );
      reports.set(config.id, report);
      return this.#inContext(config.id, report);
    } catch (error) {
      const { reach, ...finding } = explainConnection(error, config);
      unreached.set(config.id, reach);
      return [finding];
    }
  }

  /** What only this node can say about the marks of a database: whether they are those of a member that it has. */
  #inContext(id: string, { items, marks }: PreflightReport): readonly Finding[] {
    if (marks === undefined || marks.clusterId !== this.#parts.config.cluster || marks.memberId === id)
      return items;
    const name = 'control schema';
    const { memberId } = marks;
    const finding: Finding = this.#isMember(memberId)
      ? {
          name,
          ok: 'fail',
          found: `this is the database of ${memberId}, which is a member already, or a copy of it`,
          cure: 'Give the URL of another database.',
        }
      : {
          name,
          ok: 'fail',
          found: `it was part of this cluster before, as ${memberId}`,
          cure: `Call it ${memberId}, and it comes back by what it missed; or have it forget its old membership.`,
        };
    return items.map((item) => (item.name === name ? finding : item));
  }

  /** As if it were in the configuration. */
  async candidate({ id = CANDIDATE, url = '', username, password }: Candidate): Promise<BuiltMember> {
    const { config, built } = this.#parts;
    const address = parseMemberUrl(url);
    if ('fault' in address) {
      throw new LockstepError({
        code: 'admin.invalid-value',
        message: address.fault,
        field: 'url',
        hint: 'Allowed: postgres://host:port/database',
      });
    }
    if (this.#isOwnAddress(address)) {
      throw new LockstepError({
        code: 'admin.invalid-value',
        message: 'this is the address at which clients reach Lockstep, and no database of its own',
        field: 'url',
        hint: 'Give the address of the database server itself.',
      });
    }
    const [like] = built.members;
    const given = password ?? address.password;
    const secret = given === undefined ? config.password : new Secret(await this.#secretText(given));
    const member: MemberConfig = {
      id,
      url: memberUrl(address),
      host: address.host,
      port: address.port,
      database: address.database,
      weight: 1,
      username: username ?? address.username ?? config.username ?? '',
      ...(secret !== undefined && { password: secret }),
      tls: like?.config.tls ?? { mode: 'prefer' },
    };
    return built.build(member);
  }

  #isOwnAddress({ host, port }: { readonly host: string; readonly port: number }): boolean {
    const own = this.#parts.address();
    const at = own.lastIndexOf(':');
    if (Number(own.slice(at + 1)) !== port) return false;
    const listens = own.slice(0, at).replace(/^\[|\]$/g, '');
    const isHere = isLoopback(host);
    return host === listens || (isHere && (isLoopback(listens) || listens === '0.0.0.0' || listens === '::'));
  }

  async #secretText(given: NonNullable<Candidate['password']>): Promise<string> {
    if (typeof given === 'string') return given;
    const fault = (message: string): LockstepError =>
      new LockstepError({ code: 'admin.invalid-value', message, field: 'password' });
    if ('env' in given) {
      const value = process.env[given.env];
      if (value === undefined) throw fault(`the environment variable ${given.env} of the node is not set`);
      return value;
    }
    const path = resolve(dirname(this.#parts.config.file), given.file);
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw fault(`${path} cannot be read: ${messageOf(error)}`);
    });
    return text.replace(/\r?\n$/, '');
  }
}

/**
 * What an operator from afar may have the node connect with: no secret that the node would read for him, and no password of the
 * cluster for somebody else.
 */
export function checkCandidate(
  { url, username, password }: Candidate,
  cluster: Pick<Config, 'password'>,
  members: readonly { readonly config: Pick<MemberConfig, 'host' | 'port'> }[],
): void {
  const refuse = (field: string, message: string): never => {
    throw new LockstepError({
      code: 'admin.file-only',
      message,
      field,
      hint: 'Give the password itself, or use the command line on the machine of the node.',
    });
  };
  if (isSecretPlace(password)) refuse('password', 'where the node reads a secret is said in the file alone');
  if (url === undefined || cluster.password === undefined) return;
  const address = parseMemberUrl(url);
  if (
    'fault' in address ||
    !foreignAddress(
      members.map(({ config }) => config),
      address,
    )
  )
    return;
  const named = (username ?? address.username) !== undefined;
  if (!named || (password ?? address.password) === undefined) refuse('password', needsOwnPassword);
}

/** What is wrong with a login is said beside the field that was changed, whichever members it was tried on. */
function atField(error: unknown, paths: readonly string[]): unknown {
  if (!(error instanceof LockstepError) || error.code !== 'node.member-not-reached') return error;
  const { code, message, hint, field } = error;
  const key = field?.split('.').at(-1);
  const asked = paths.find((path) => path === field) ?? paths.find((path) => path.split('.').at(-1) === key);
  const login = paths.find((path) => /(^|\.)(url|username|password|mode|ca|cert|key)$/.test(path));
  const place = asked ?? login ?? field;
  return new LockstepError({
    code,
    message,
    ...(hint !== undefined && { hint }),
    ...(place !== undefined && { field: place }),
  });
}
