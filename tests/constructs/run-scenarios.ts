/** Runs scenarios against three real servers behind a node, and compares everything that the members then hold. */

import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareMembers, describeDifferences, PlainClient } from '../../src/testing/index.ts';
import type { AskMember, PostgresBinaries } from '../../src/testing/index.ts';
import { connect, waitFor, withNode, withServers } from '../support/index.ts';
import type { NodeFixture, ServersFixture } from '../support/index.ts';
import { ConstructClient } from './construct-client.ts';
import { ways } from './scenario.ts';
import type { OpenClient, Scenario, Way } from './scenario.ts';
import {
  createOrdinaryRoles,
  enter as enterSql,
  ordinaryRoles,
  prepareDatabase,
  surround,
} from './surroundings.ts';

const clientsAtOnce = 8;
/** Positions of sequences that no transaction carried follow about once a second. */
const restMs = 10_000;

export interface ConstructsFixture {
  readonly servers: ServersFixture['servers'];
  readonly node: NodeFixture;
  /** Waits until no member differs from another. */
  rest(timeoutMs?: number): Promise<void>;
}

/** `binaries`: servers that have what is needed; undefined: there are none. */
export function testScenarios(
  room: string,
  scenarios: readonly Scenario[],
  needs: { readonly binaries?: PostgresBinaries | undefined } = {},
): void {
  const impossible = 'binaries' in needs && needs.binaries === undefined;
  describe.skipIf(impossible)(`constructs: ${room}`, () => {
    const fixture = withConstructs(needs.binaries);
    const open: OpenClient = ({ user, encoding } = {}) => {
      const url = new URL(fixture.node.url);
      if (user !== undefined) url.username = user;
      if (user !== undefined) url.password = user;
      return connect(url.href, encoding === undefined ? {} : { client_encoding: encoding });
    };
    const version = (): number => fixture.servers[0]?.binaries.major ?? 0;

    describe('in a plain database', () => {
      let shared: Client[] = [];
      beforeAll(async () => {
        shared = await openSeveral(() => open());
      });

      for (const [index, scenario] of scenarios.entries()) {
        test(scenario.name, { timeout: 180_000 }, async (context) => {
          if (version() < (scenario.sinceVersion ?? 0))
            context.skip(`needs version ${scenario.sinceVersion}`);
          for (const way of scenario.ways ?? ways) {
            const schema = `construct_${index}_${way}`;
            const own = scenario.ownSessions === true ? await openSeveral(() => open()) : shared;
            const enter = `SET search_path = "${schema}", public`;
            await play(scenario, { way, schema, enter, pgs: own, open: () => open, fixture });
            if (own !== shared) await Promise.all(own.map((pg) => pg.end()));
          }
        });
      }
    });

    describe.runIf(scenarios.some(({ plainOnly }) => plainOnly === undefined))(
      'in an ordinary database',
      () => {
        let shared: readonly Client[] | undefined;
        beforeAll(async () => {
          const admin = await open();
          await admin.query(prepareDatabase);
          await admin.end();
        });

        for (const [index, scenario] of scenarios.entries()) {
          if (scenario.plainOnly !== undefined) continue;
          test(scenario.name, { timeout: 180_000 }, async (context) => {
            if (version() < (scenario.sinceVersion ?? 0))
              context.skip(`needs version ${scenario.sinceVersion}`);
            const possible = scenario.ways ?? ways;
            const way = possible[index % possible.length] ?? 'simple';
            const schema = `ordinary_${index}`;
            const as = (place?: number): OpenClient => {
              const role =
                place === undefined ? 'ordinary' : place % 2 === 0 ? 'first_tenant' : 'second_tenant';
              return scenario.needsSuperuser === undefined
                ? (options) => open({ user: role, ...options })
                : open;
            };
            const enter = enterSql(schema, 'tenant');
            const isShared = scenario.ownSessions !== true && scenario.needsSuperuser === undefined;
            if (isShared) shared ??= await openSeveral((place) => as(place)());
            const pgs = isShared && shared ? shared : await openSeveral((place) => as(place)());
            try {
              await play(scenario, { way, schema, enter, pgs, open: as, fixture, surround });
            } finally {
              if (pgs !== shared) await Promise.all(pgs.map((pg) => pg.end()));
            }
          });
        }
      },
    );
  });
}

interface Stage {
  readonly way: Way;
  readonly schema: string;
  /** What each session begins with. */
  readonly enter: string;
  readonly pgs: readonly Client[];
  /** For the client at this place, or for who owns the schema. */
  readonly open: (place?: number) => OpenClient;
  readonly fixture: ConstructsFixture;
  /** Changes the tables after their setup. */
  readonly surround?: (owner: Client, schema: string) => Promise<void>;
}

async function play(scenario: Scenario, stage: Stage): Promise<void> {
  const { way, schema, enter, pgs, open, fixture } = stage;
  const admin = await open()();
  await admin.query(`CREATE SCHEMA "${schema}"`);
  await Promise.all([admin, ...pgs].map((pg) => pg.query(enter)));
  if (scenario.setup !== undefined) await admin.query(scenario.setup.replaceAll(':schema', schema));
  await stage.surround?.(admin, schema);
  const before = await contentOf(fixture, schema);

  const clients = pgs
    .slice(0, scenario.clients ?? clientsAtOnce)
    .map((pg, place) => new ConstructClient({ place, way, schema, pg, open: open(place), enter }));
  await Promise.all(clients.map(async (client) => await scenario.step?.(client)));
  await scenario.together?.(clients);
  if (scenario.finish !== undefined) await admin.query(scenario.finish.replaceAll(':schema', schema));

  await fixture.rest();
  const after = await contentOf(fixture, schema);
  if (scenario.changesNothing) expect(after, `${way}: what is refused changes nothing`).toEqual(before);
  else expect(after, `${way}: a scenario that changes nothing proves nothing`).not.toEqual(before);
  for (const [question, answer] of Object.entries(scenario.expect ?? {})) {
    for (const server of fixture.servers) {
      const [row] = await server.query(`SET search_path = "${schema}", public; ${question}`);
      expect(row?.[0] ?? null, `${way}: ${question}`).toBe(answer);
    }
  }
  await admin.query(`DROP SCHEMA "${schema}" CASCADE`);
  await fixture.rest();
  await admin.end();
}

function openSeveral(open: (place: number) => Promise<Client>): Promise<Client[]> {
  return Promise.all(Array.from({ length: clientsAtOnce }, (_, place) => open(place)));
}

/** Three members, a node, and a connection of the checker's own to each of the three. */
export function withConstructs(binaries?: PostgresBinaries): ConstructsFixture {
  const servers = withServers(3, {
    database: 'constructs',
    password: 'secret',
    settings: { deadlock_timeout: '100ms' },
    ...(binaries && { binaries }),
  });
  const roles = "CREATE ROLE other LOGIN PASSWORD 'other'; CREATE ROLE owner NOLOGIN";
  beforeAll(async () => {
    await Promise.all(servers.servers.map((server) => server.query(`${roles}; ${createOrdinaryRoles}`)));
  });
  const node = withNode(servers, {
    config: {
      clients: ['postgres', ...['other', ...ordinaryRoles].map((name) => ({ name, password: name }))],
      // What is proven here is what members hold, not how fast a busy machine is.
      deadlines: { commitMs: 30_000 },
      probe: { timeoutMs: 20_000 },
    },
  });
  const watchers = new Map<string, PlainClient>();

  beforeAll(async () => {
    for (const [index, { port, user, password, database }] of servers.servers.entries())
      watchers.set(`db${index + 1}`, await PlainClient.connect({ port, user, password, database }));
  });
  afterAll(() => {
    for (const watcher of watchers.values()) watcher.close();
  });

  return {
    get servers() {
      return servers.servers;
    },
    node,
    rest: async (timeoutMs = restMs) => {
      const status = await node.node.status();
      const out = status.members.filter((member) => !member.active);
      expect(out.map(({ id, reason }) => `${id}: ${reason}`)).toEqual([]);
      const asks = [...watchers].map(([id, watcher]): [string, AskMember] => [
        id,
        (sql) => watcher.query(sql),
      ]);
      let report = '';
      await waitFor(
        async () => {
          report = describeDifferences(await compareMembers(Object.fromEntries(asks)));
          return report === '';
        },
        { what: 'equal members', timeoutMs },
      ).catch((error: unknown) => {
        throw report === '' ? error : new Error(`the members differ:\n${report}`);
      });
    },
  };
}

/** Everything in the schema on the first member: names, rows and positions. */
async function contentOf({ servers }: ConstructsFixture, schema: string): Promise<readonly string[]> {
  const [server] = servers;
  if (server === undefined) return [];
  const relations = await server.query(
    `SELECT c.relname, c.relkind, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relacl, c.relowner
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '${schema}' ORDER BY 1`,
  );
  const functions = await server.query(
    `SELECT proname, prosrc FROM pg_proc WHERE pronamespace = '${schema}'::regnamespace ORDER BY 1, 2`,
  );
  const rows: string[] = [];
  for (const [, kind, name] of relations) {
    if (kind !== 'r' && kind !== 'm' && kind !== 'S') continue;
    const row = kind === 'S' ? 'last_value::text || is_called' : 'pg_catalog.concat(t.*)';
    const found = await server.query(`SELECT ${row} FROM ${name} t`);
    rows.push(...found.map(([value]) => `${name} ${value}`));
  }
  return [...relations.map(String), ...functions.map(String), ...rows.toSorted()];
}
