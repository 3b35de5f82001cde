/** Joins the command line to the rest. Loaded only by the commands that need it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant, messageOf, systemClock } from '../base/index.ts';
import { tokenFiles } from '../admin/index.ts';
import { loadConfig } from '../config/index.ts';
import type { MemberConfig } from '../config/index.ts';
import { FileStateStore } from '../coordination/index.ts';
import {
  comparePreflight,
  detachMember,
  explainConnection,
  memberHealth,
  preflightMember,
} from '../dialects/postgres/index.ts';
import type { PreflightReport } from '../dialects/postgres/index.ts';
import { buildMembers, clientRoles, LockstepNode, removeMember } from '../node/index.ts';
import { startDemoMembers } from '../testing/index.ts';
import { VERSION } from './version.ts';
import type { Finding, Program } from './program.ts';

export const program: Program = {
  serve: (config, options) => LockstepNode.start({ config, version: VERSION, ...options }),

  async check(config) {
    const built = buildMembers(config);
    const reports = new Map<string, PreflightReport>();
    const members = await Promise.all(
      built.members.map(async ({ member, config: place }) => {
        const { id, url } = place;
        const findings = await lookAt(place, async () => {
          const report = await member.useBare((connection) =>
            preflightMember(connection, {
              memberId: id,
              clusterId: config.cluster,
              clients: clientRoles(config),
            }),
          );
          reports.set(id, report);
          return report.items;
        });
        return { id, url, findings };
      }),
    );
    return { members, cluster: reports.size > 1 ? comparePreflight(reports) : [] };
  },

  async look(config) {
    const [one] = buildMembers(config).members;
    invariant(one, 'there is a database to look at');
    const { id, url } = one.config;
    try {
      const { items, contents } = await one.member.useBare((connection) =>
        preflightMember(connection, { memberId: id, clusterId: config.cluster, candidate: true }),
      );
      const holds =
        contents === undefined ? {} : ({ holds: contents.tables === 0 ? 'nothing' : 'its own' } as const);
      return { members: [{ id, url, findings: items, reach: 'database', ...holds }], cluster: [] };
    } catch (error) {
      const { reach, ...finding } = explainConnection(error, one.config);
      return { members: [{ id, url, findings: [finding], reach }], cluster: [] };
    }
  },

  async examine(config) {
    const built = buildMembers(config);
    const { retentionBytes } = config.log;
    const wallTime = (): Date => systemClock.wallTime();
    const look = async ({ member, config: { id } }: (typeof built.members)[number]) => {
      const findings = await member.useBare((connection) =>
        memberHealth(connection, { retentionBytes, wallTime }),
      );
      return [{ id, findings }];
    };
    // Who cannot be reached is a finding of `check` already.
    return (await Promise.all(built.members.map((one) => look(one).catch(() => [])))).flat();
  },

  async detach(config) {
    // Holding the state proves that no node runs on it.
    const store = await FileStateStore.open(config.state);
    try {
      const built = buildMembers(config);
      const members = await Promise.all(
        built.members.map(async ({ member, config: { id } }) => {
          try {
            const { removed, found } = await member.useBare((connection) => detachMember(connection));
            return {
              id,
              ok: true,
              message: removed ? `removed: ${found.join(', ')}` : 'there was nothing to remove',
            };
          } catch (error) {
            return { id, ok: false, message: messageOf(error) };
          }
        }),
      );
      if (members.every((member) => member.ok)) await store.forget();
      return { members };
    } finally {
      await store.close();
    }
  },

  removeMember,

  async demo({ directory, port, adminPort, onProgress, ...options }) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    onProgress('Starting three PostgreSQL servers …');
    const servers = await startDemoMembers({ dir: join(directory, 'members') });
    try {
      const configFile = join(directory, 'lockstep.yaml');
      await writeFile(configFile, demoConfiguration(servers, { port, adminPort }), { mode: 0o600 });
      const config = await loadConfig(configFile, process.env);
      onProgress('Starting the node …');
      const node = await LockstepNode.start({ config, version: VERSION, ...options });
      const { host, port: taken } = splitAddress(node.address);
      return {
        address: node.address,
        ended: node.ended,
        stop: async () => {
          await node.stop();
          await servers.stop();
        },
        connection: {
          host,
          port: taken,
          username: servers.client.name,
          password: servers.client.password,
          database: servers.database,
        },
        members: servers.members.map(({ id, url }) => ({ id, url: withoutCredentials(url) })),
        configFile,
        adminUrl: node.adminUrl,
        tokenFile: tokenFiles(config.state).operator,
      };
    } catch (error) {
      await servers.stop();
      throw error;
    }
  },
};

async function lookAt(
  place: MemberConfig,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await work();
  } catch (error) {
    const { reach: _, ...finding } = explainConnection(error, place);
    return [finding];
  }
}

function demoConfiguration(
  servers: Awaited<ReturnType<typeof startDemoMembers>>,
  { port, adminPort }: { readonly port: number; readonly adminPort: number },
): string {
  return [
    '# Written by `lockstep demo` at each start.',
    'cluster: demo',
    'dialect: postgres',
    `username: ${servers.keeper.name}`,
    `password: { file: ${JSON.stringify(servers.keeper.file)} }`,
    'members:',
    ...servers.members.map(({ id, url }) => `  - { id: ${id}, url: "${withoutCredentials(url)}" }`),
    // The databases keep its password.
    `clients: [${servers.client.name}]`,
    `listen: { postgres: "127.0.0.1:${port}", admin: "127.0.0.1:${adminPort}" }`,
    'state: ./state',
    '',
  ].join('\n');
}

function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.toString();
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}
