import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import type { PostgresServer, StartServersOptions } from '../../src/testing/index.ts';
import { startServers } from '../../src/testing/index.ts';
import { endOpenClients } from './connect.ts';

export interface ServersFixture {
  readonly servers: readonly PostgresServer[];
  /** The server at this place; tests that ask for one that is not there are wrong. */
  server(index: number): PostgresServer;
}

/** Real servers, started once for the tests of a file (or of a `describe`), without fsync. */
export function withServers(count: number, options: StartServersOptions = {}): ServersFixture {
  let servers: readonly PostgresServer[] = [];

  beforeAll(async () => {
    const templates = keptTemplates();
    servers = await startServers(count, {
      durable: false,
      ...(templates === undefined ? {} : { templates }),
      ...options,
    });
  });

  afterAll(async () => {
    await endOpenClients();
    await Promise.all(servers.map((server) => server.destroy()));
  });

  return {
    get servers() {
      return servers;
    },
    server: (index) => {
      const server = servers[index];
      invariant(server, `there is no server ${index}`);
      return server;
    },
  };
}

/** Between runs, where this account may write there. */
function keptTemplates(): string | undefined {
  const directory = join(import.meta.dirname, '../../node_modules/.cache/lockstep-templates');
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return directory;
  } catch {
    return undefined;
  }
}
