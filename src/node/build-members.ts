/** From the configuration to the members of a PostgreSQL cluster. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, MemberConfig } from '../config/index.ts';
import { openSpool } from '../dialects/spool.ts';
import { PostgresCatalog, PostgresMember, Remarks } from '../dialects/postgres/index.ts';
import type { Remark } from '../dialects/postgres/index.ts';

export interface BuiltMember {
  readonly member: PostgresMember;
  readonly config: MemberConfig;
  /** For `relocate`. */
  readonly move: (wanted: MemberConfig) => void;
}

export interface BuiltMembers {
  /** Those that there are now. */
  readonly members: readonly BuiltMember[];
  readonly catalog: PostgresCatalog;
  /** What each server said it is, when it was asked last. */
  readonly versions: ReadonlyMap<string, string>;
  /** Asks a member which numbers its tables have, and, if it is the primary, what its functions do. */
  load(id: string, as?: 'primary'): Promise<void>;
  /** The members ask for the primary when they translate its numbers. */
  setPrimary(id: () => string): void;
  /** One that is not among them yet. */
  build(member: MemberConfig): BuiltMember;
  add(member: BuiltMember): void;
  remove(id: string): void;
  reweigh(id: string, weight: number): void;
  /** Whatever is opened from now on is opened there. */
  relocate(id: string, wanted: MemberConfig): void;
}

/** `connectMs` is asked each time. */
export function buildMembers(
  config: Config,
  connectMs: () => number = () => config.deadlines.connectMs,
  remark: (remark: Remark) => void = () => undefined,
): BuiltMembers {
  const catalog = new PostgresCatalog();
  const remarks = new Remarks(remark);
  let primary = (): string => '';
  const directory = join(config.state, 'spool');
  const spool = (): ReturnType<typeof openSpool> => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return openSpool({ directory, memoryBytes: config.limits.writeSetMemoryBytes });
  };
  const build = (member: MemberConfig): BuiltMember => {
    const { ca, cert, key, mode, md5 } = member.tls;
    let place = member;
    const address = {
      memberId: member.id,
      get host() {
        return place.host;
      },
      get port() {
        return place.port;
      },
      get connectMs() {
        return connectMs();
      },
      showsValues: config.logging.values,
      tls: {
        mode,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key: key.reveal() }),
        ...(md5 && { md5 }),
      },
    };
    const options = {
      id: member.id,
      address,
      get database() {
        return place.database;
      },
      user: member.username,
      get password() {
        return place.password?.reveal();
      },
      maxMessageBytes: 0x7fffffff,
    };
    return {
      member: new PostgresMember(options, { catalog, spool, primaryId: () => primary(), remarks }),
      config: member,
      move: (wanted) => (place = wanted),
    };
  };
  let members: readonly BuiltMember[] = config.members.map(build);
  const versions = new Map<string, string>();
  return {
    versions,
    load: async (id, as) => {
      const found = members.find(({ member }) => member.id === id);
      await found?.member.useKept(async (connection) => {
        versions.set(id, connection.parameters.get('server_version') ?? '');
        await catalog.loadTables(id, connection);
        if (as === 'primary') await catalog.loadFunctions(connection, id);
      });
    },
    get members() {
      return members;
    },
    catalog,
    setPrimary: (id) => (primary = id),
    build,
    add: (member) => (members = [...members, member]),
    reweigh: (id, weight) => {
      members = members.map((one) =>
        one.config.id === id ? { ...one, config: { ...one.config, weight } } : one,
      );
    },
    relocate: (id, { url, host, port, database, password }) => {
      members = members.map((one) => {
        if (one.config.id !== id) return one;
        const { password: _, ...rest } = one.config;
        const moved = { ...rest, url, host, port, database, ...(password !== undefined && { password }) };
        one.move(moved);
        return { ...one, config: moved };
      });
    },
    remove: (id) => (members = members.filter(({ config: { id: other } }) => other !== id)),
  };
}
