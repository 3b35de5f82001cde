import { expect, onTestFinished } from 'vitest';
import { PostgresCatalog, PostgresMember } from '../../../src/dialects/postgres/index.ts';
import { InternalConnection } from '../../../src/dialects/postgres/internal-connection.ts';
import type { PostgresBinaries, PostgresServer } from '../../../src/testing/index.ts';
import { findPostgres } from '../../../src/testing/index.ts';

export interface MemberConnectionOptions {
  readonly database?: string;
  readonly user?: string;
}

/** The engine's own kind of connection, closed when the test ends. */
export async function connectMember(
  server: PostgresServer,
  options: MemberConnectionOptions = {},
): Promise<InternalConnection> {
  const { database = server.database, user = server.user } = options;
  const address = {
    memberId: database,
    host: '127.0.0.1',
    port: server.port,
    tls: { mode: 'disable' },
    connectMs: 5_000,
  } as const;
  const connection = await InternalConnection.open(address, {
    user,
    password: undefined,
    database,
    settings: [],
  });
  onTestFinished(() => connection.close());
  return connection;
}

/** A member called `a` whose log is empty, closed when the test ends. Nothing in it may be large. */
export async function enrolledMember(server: PostgresServer): Promise<PostgresMember> {
  const { port, database, user } = server;
  const address = {
    memberId: 'a',
    host: '127.0.0.1',
    port,
    tls: { mode: 'disable' },
    connectMs: 5_000,
  } as const;
  const member = new PostgresMember(
    { id: 'a', address, database, user, password: undefined, maxMessageBytes: 1 << 20 },
    { catalog: new PostgresCatalog(), spool: () => expect.fail('nothing is large'), primaryId: () => 'a' },
  );
  onTestFinished(() => member.close());
  await member.enroll({ clusterId: 'c', version: 1, active: ['a'], baseCsn: 0 });
  return member;
}

let databasesMade = 0;

/** A database of its own for one test, made on the server from another one. */
export async function cloneDatabase(server: PostgresServer, template: string): Promise<string> {
  databasesMade += 1;
  const name = `${template}_${databasesMade}`;
  await server.query(`CREATE DATABASE ${name} TEMPLATE ${template}`, undefined, 'postgres');
  onTestFinished(
    async () => void (await server.query(`DROP DATABASE ${name} WITH (FORCE)`, undefined, 'postgres')),
  );
  return name;
}

/** A PostgreSQL of another major version than the one that tests use, where the system has one. */
export function otherPostgres(): PostgresBinaries | undefined {
  const system = findPostgres({ prefer: 'system' });
  return system.major === findPostgres().major ? undefined : system;
}
