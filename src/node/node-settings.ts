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
  isSecretPlace,
  memberUrl,
  needsOwnPassword,
  parseMemberUrl,
  Secret,
  showConfig,
} from '../config/index.ts';
import type { Config, ConfigView, MemberConfig } from '../config/index.ts';
import { comparePreflight, preflightMember } from '../dialects/postgres/index.ts';
import type { PreflightReport } from '../dialects/postgres/index.ts';
import { clientRoles } from './door-of.ts';
import type { BuiltMember, BuiltMembers } from './build-members.ts';

export interface SettingsParts {
  readonly config: Config;
  readonly built: BuiltMembers;
  readonly primaryId: () => string;
  readonly reload: () => Promise<ReloadResult>;
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
    return showConfig(this.#parts.config.file);
  }

  change(changes: readonly OptionChange[], by: Authority): Promise<ConfigChanged> {
    const turn = this.#queue.then(() => this.#change(changes, by));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #change(changes: readonly OptionChange[], by: Authority): Promise<ConfigChanged> {
    const { undo } = await changeOptions(this.#parts.config.file, changes, by);
    try {
      await this.#parts.reload();
    } catch (error) {
      await undo();
      throw error;
    }
    const paths = changes.map(({ path }) => path);
    return { applied: paths.filter(isLive), needsRestart: paths.filter((path) => !isLive(path)) };
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
    const changes = Object.entries(change).map(([key, value]) => ({
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
    if (by === 'operator') checkCandidate(candidate, this.#parts.config, this.#parts.built.members);
    const { built, primaryId } = this.#parts;
    const primary = built.members.find(({ config }) => config.id === primaryId());
    const looked = candidate.url === undefined ? built.members : [await this.#build(candidate)];
    const reports = new Map<string, PreflightReport>();
    const members = await Promise.all(
      looked.map(async (one) => {
        const { id, url } = one.config;
        return { id, url, findings: await this.#lookAt(one, reports) };
      }),
    );
    // What is new is held against what is there.
    if (candidate.url !== undefined && reports.size > 0 && primary !== undefined) {
      const newest = [...reports];
      reports.clear();
      await this.#lookAt(primary, reports);
      for (const [id, report] of newest) reports.set(id, report);
    }
    return { members, cluster: reports.size > 1 ? comparePreflight(reports) : [] };
  }

  async #lookAt(
    { member, config }: BuiltMember,
    reports: Map<string, PreflightReport>,
  ): Promise<readonly Finding[]> {
    try {
      const report = await member.useBare((connection) =>
        preflightMember(connection, {
          memberId: config.id,
          clusterId: this.#parts.config.cluster,
          clients: clientRoles(this.#parts.config),
        }),
      );
      reports.set(config.id, report);
      return report.items;
    } catch (error) {
      const hint = error instanceof LockstepError ? error.hint : undefined;
      const cure = hint ?? 'Start the server, and check url, username and password.';
      return [{ name: 'connection', ok: 'fail', found: messageOf(error), cure }];
    }
  }

  async #build({ url = '', username, password }: Candidate): Promise<BuiltMember> {
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
    const [like] = built.members;
    const given = password ?? address.password;
    const secret = given === undefined ? config.password : new Secret(await this.#secretText(given));
    const member: MemberConfig = {
      id: CANDIDATE,
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
