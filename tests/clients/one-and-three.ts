/** One ordinary server and a cluster of three, of the version that the system's programs belong to. */

import { compareMembers, describeDifferences, findPostgres } from '../../src/testing/index.ts';
import type { AskMember, PostgresServer } from '../../src/testing/index.ts';
import { waitFor, withNode, withServers } from '../support/index.ts';
import type { NodeFixture } from '../support/index.ts';

export interface OneAndThree {
  /** The ordinary server. */
  readonly one: PostgresServer;
  readonly members: readonly PostgresServer[];
  readonly node: NodeFixture;
}

export function withOneAndThree(config: Readonly<Record<string, unknown>> = {}): OneAndThree {
  const all = withServers(4, { binaries: findPostgres({ prefer: 'system' }) });
  const members = {
    get servers() {
      return all.servers.slice(1);
    },
  };
  const node = withNode(members, { config });
  return {
    node,
    get one() {
      return all.server(0);
    },
    get members() {
      return members.servers;
    },
  };
}

/** Each member's own answers, for `compareMembers`. */
export function askers(
  servers: readonly PostgresServer[],
  database = 'postgres',
): Readonly<Record<string, AskMember>> {
  return Object.fromEntries(
    servers.map((server, index) => [
      `db${index + 1}`,
      (sql: string) => server.query(sql, undefined, database),
    ]),
  );
}

/** Positions of sequences that no commit has carried are level a second later. */
export async function untilEqual(servers: readonly PostgresServer[]): Promise<void> {
  const equal = async (): Promise<true> => {
    const differences = await compareMembers(askers(servers));
    if (differences.length > 0) throw new Error(describeDifferences(differences));
    return true;
  };
  await waitFor(equal, { what: 'the members to be equal' });
}
