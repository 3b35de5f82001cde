/**
 * Where attacks take place: a node over two members, in a database of its own; what is worth having; and the roles that should not get it.
 * Servers are shared. After an attack that has got through, the next one finds everything made anew.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresServer } from '../../src/testing/index.ts';
import { connect, startNode } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';
import { recordEvents } from '../sync/recorded-events.ts';
import type { RecordedEvents } from '../sync/recorded-events.ts';

/** `mallory` may log in and nothing else; `alice` has a schema of her own, temporary objects, and may add to one table. */
export const attackers = ['mallory', 'alice'] as const;
export type Attacker = (typeof attackers)[number];

export interface Stage {
  readonly servers: readonly PostgresServer[];
  readonly node: StartedNode;
  readonly events: RecordedEvents;
  readonly database: string;
  /** Words that nobody but the owner of the tables may ever hear. */
  readonly secrets: readonly string[];
  /** The node is no more, whoever ended it. */
  readonly ended: () => boolean;
  readonly nodeUrl: (user: string) => string;
  readonly memberUrl: (index: number, user: string) => string;
  /** Takes away what an attack that was withstood has left behind, and nothing that an attacker could not have taken away. */
  tidy(): Promise<void>;
  close(): Promise<void>;
}

const roles = `
CREATE ROLE keeper LOGIN PASSWORD 'secret';
${attackers.map((name) => `CREATE ROLE ${name} LOGIN PASSWORD 'secret';`).join('\n')}`;

/** The same again on servers on which attackers may have made anything of themselves. */
const rolesAgain = `
DO $$
DECLARE r name;
BEGIN
  FOR r IN SELECT rolname FROM pg_roles WHERE rolname <> 'postgres' AND NOT pg_catalog.starts_with(rolname, 'pg_') LOOP
    EXECUTE format('DROP ROLE %I', r);
  END LOOP;
END $$;
${roles}`;

/** What is worth having. `what` of the rows: who may have which. */
const treasures = (words: readonly string[]): string => `
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (id int PRIMARY KEY, word text NOT NULL);
INSERT INTO vault.secrets VALUES (1, '${words[0]}');
CREATE TABLE vault.letters (id int PRIMARY KEY, reader name NOT NULL, word text NOT NULL);
INSERT INTO vault.letters VALUES (1, 'alice', 'to alice'), (2, 'keeper', '${words[1]}');
ALTER TABLE vault.letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY letters ON vault.letters USING (reader = current_user);
GRANT USAGE ON SCHEMA vault TO alice, mallory;
GRANT SELECT ON vault.letters TO alice, mallory;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO alice, mallory;
CREATE TABLE shop.ledger (id int PRIMARY KEY, who name NOT NULL DEFAULT current_user, what text);
INSERT INTO shop.ledger VALUES (1, 'keeper', 'bread'), (2, 'keeper', 'salt');
GRANT SELECT, INSERT ON shop.ledger TO alice;
CREATE TABLE shop.steady (n int);
CREATE TABLE shop.under_way (n int, word text);`;

/** What the attacker would do if she were somebody else for a moment. It swallows every refusal. */
const tools = `
CREATE SCHEMA tools AUTHORIZATION alice;
SET ROLE alice;
CREATE FUNCTION tools.attempt(cmd text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN EXECUTE cmd; EXCEPTION WHEN OTHERS THEN NULL; END $$;
CREATE FUNCTION tools.grab() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  -- As herself she might as well do it in plain words; and once is enough.
  IF current_user OPERATOR(pg_catalog.=) ANY ('{alice,mallory}'::pg_catalog.name[])
     OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'pwned') THEN
    RETURN true;
  END IF;
  PERFORM tools.attempt('ALTER ROLE alice SUPERUSER');
  PERFORM tools.attempt('ALTER ROLE mallory SUPERUSER');
  PERFORM tools.attempt('GRANT pg_read_all_data TO alice');
  PERFORM tools.attempt('CREATE ROLE pwned SUPERUSER LOGIN');
  PERFORM tools.attempt('INSERT INTO vault.secrets VALUES (666, ''forged'')');
  PERFORM tools.attempt('GRANT ALL ON vault.secrets TO alice');
  RETURN true;
END $$;
-- Code that wants out of whatever it was locked into before it grabs.
CREATE FUNCTION tools.break_out() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF session_user OPERATOR(pg_catalog.=) ANY ('{alice,mallory}'::pg_catalog.name[]) THEN RETURN tools.grab(); END IF;
  PERFORM tools.grab();
  PERFORM tools.attempt('SET ROLE NONE');
  PERFORM tools.attempt($q$SELECT set_config('role', 'none', false)$q$);
  PERFORM tools.attempt('RESET SESSION AUTHORIZATION');
  PERFORM tools.grab();
  PERFORM tools.attempt('DECLARE alice_held CURSOR WITH HOLD FOR SELECT tools.grab()');
  PERFORM tools.attempt('DEALLOCATE ALL');
  PERFORM tools.attempt('PREPARE lockstep_row AS SELECT tools.grab()');
  PERFORM tools.attempt('CREATE TEMP TABLE lockstep_spill (seq bigint, chunk text CHECK (tools.grab()))');
  PERFORM tools.attempt('SET search_path = alice, pg_temp, pg_catalog');
  PERFORM tools.attempt('LISTEN alice');
  PERFORM tools.attempt('SELECT pg_advisory_lock(5498132001)');
  PERFORM tools.attempt('SELECT pg_advisory_lock(5498132002)');
  -- The trigger fires all the same. A row that stays would be her own difference: see "What is not promised".
  PERFORM tools.attempt('INSERT INTO alice.sprung VALUES (1); DELETE FROM alice.sprung');
  RETURN true;
END $$;
CREATE FUNCTION tools.break_out(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN tools.break_out(); END $$;
CREATE FUNCTION tools.as_it_is(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM tools.break_out(); RETURN $1; END $$;
CREATE FUNCTION tools.as_text(anyelement) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM tools.break_out(); RETURN 'text'; END $$;
CREATE FUNCTION tools.write(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO alice.other VALUES (n, 'written'); RETURN n; END $$;
CREATE FUNCTION tools.write_quietly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ DECLARE r int; BEGIN SELECT tools.write(n) INTO r; RETURN r; END $$;
RESET ROLE`;

const ownThings = `
CREATE SCHEMA alice AUTHORIZATION alice
  CREATE TABLE alice.own (i int PRIMARY KEY, t text) CREATE TABLE alice.other (i int, t text);
ALTER TABLE alice.own OWNER TO alice;
ALTER TABLE alice.other OWNER TO alice`;

let stages = 0;

export async function openStage(servers: readonly PostgresServer[]): Promise<Stage> {
  stages += 1;
  const database = `stage_${stages}`;
  const secrets = ['vault', 'letter', 'underway'].map((place) => `${place}-${crypto.randomUUID()}`);
  await Promise.all(
    servers.map(async (server) => {
      // Here, so that nothing is left of them on the way to another stage.
      await server.query(stages === 1 || !(await hasRoles(server)) ? roles : rolesAgain);
      await server.query(`CREATE DATABASE ${database}`);
      await server.query(`REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC`);
      await server.query(`GRANT TEMPORARY ON DATABASE ${database} TO alice, keeper`);
      await server.query([treasures(secrets), ownThings, tools].join(';'), undefined, database);
    }),
  );
  const events = recordEvents();
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-attacked-'));
  const node = await startNode(servers, {
    dir,
    logger: events.logger,
    members: servers.map(({ port }, index) => ({
      id: `db${index + 1}`,
      url: `postgres://127.0.0.1:${port}/${database}`,
    })),
    config: {
      clients: ['postgres', ...[...attackers, 'keeper'].map((name) => ({ name, password: 'secret' }))],
      // A busy machine is no attack.
      deadlines: { commitMs: 15_000 },
      probe: { timeoutMs: 15_000 },
    },
  });
  const url = (port: number, user: string): string =>
    `postgres://${user}:secret@127.0.0.1:${port}/${database}`;
  let toolsAtFirst = '';
  let ended = false;
  void node.node.ended.catch(() => undefined).then(() => (ended = true));
  const stage: Stage = {
    servers,
    node,
    events,
    database,
    secrets,
    ended: () => ended,
    nodeUrl: (user) => url(node.port, user),
    memberUrl: (index, user) => url(servers[index]?.port ?? 0, user),
    tidy: async () => {
      await restore(stage, toolsAtFirst);
    },
    close: async () => {
      // Whoever holds a lock would keep the node from stopping.
      const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('alice', 'mallory')`;
      await Promise.all(servers.map((server) => server.query(others)));
      try {
        await node.stop();
      } finally {
        await Promise.all(servers.map((server) => server.query(`DROP DATABASE ${database} WITH (FORCE)`)));
      }
      // What the attack has set off may still be writing there.
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  toolsAtFirst = await toolsOf(stage);
  return stage;
}

/** Everything that the attackers may call their own, as it was at first. Each schema statement takes its time: only what is needed. */
async function restore(stage: Stage, toolsAtFirst: string): Promise<void> {
  const owner = await connect(stage.nodeUrl('postgres'));
  const settings = await stage.servers[0]?.query(
    `SELECT setrole::regrole FROM pg_db_role_setting WHERE setrole <> 0`,
  );
  for (const [role] of settings ?? []) await owner.query(`ALTER ROLE ${role} RESET ALL`);
  await owner.query('DROP SCHEMA IF EXISTS alice CASCADE');
  await owner.query(ownThings);
  if ((await toolsOf(stage)) !== toolsAtFirst) {
    await owner.query('DROP SCHEMA IF EXISTS tools CASCADE');
    await owner.query(tools);
  }
  await owner.query(`DELETE FROM shop.ledger WHERE who <> 'keeper'`);
  await owner.end();
}

async function toolsOf({ servers, database }: Stage): Promise<string> {
  const all = await Promise.all(
    servers.map((server) =>
      server.query(
        `SELECT proname, prosrc, prosecdef, proconfig, proowner::regrole FROM pg_proc WHERE pronamespace = 'tools'::regnamespace
         UNION ALL SELECT relname, '', false, NULL, relowner::regrole FROM pg_class WHERE relnamespace = 'tools'::regnamespace ORDER BY 1, 2`,
        undefined,
        database,
      ),
    ),
  );
  return JSON.stringify(all);
}

async function hasRoles(server: PostgresServer): Promise<boolean> {
  return (await server.query(`SELECT FROM pg_roles WHERE rolname = 'alice'`)).length > 0;
}
