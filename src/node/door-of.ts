/** What clients meet at the door, and what a new configuration may change there. */

import { LOCAL_OPERATOR } from '../config/index.ts';
import type { Config, LoginConfig } from '../config/index.ts';
import type { PostgresListenerOptions } from '../fronts/postgres/index.ts';
import { operatorDatabase } from './operator-sessions.ts';

export type Door = Pick<PostgresListenerOptions, 'tls' | 'authentication'>;

type Authentication = PostgresListenerOptions['authentication'];

/** `token`: who knows it may command Lockstep. */
export function doorOf(
  config: Config,
  token: string,
  askMembers: NonNullable<Authentication['askMembers']>,
): Door {
  const { listen, username, clients, admin } = config;
  const database = operatorDatabase(config);
  return {
    tls: listen.tls && { ...listen.tls, key: listen.tls.key.reveal() },
    authentication: {
      clusterUser: username,
      clients: clients.map(loginOf),
      operators: admin.users.map(loginOf),
      localOperator: database === undefined ? undefined : { name: LOCAL_OPERATOR, password: token, database },
      askMembers,
    },
  };
}

function loginOf({ name, password, trust }: LoginConfig): Authentication['clients'][number] {
  return { name, password: password?.reveal(), trust };
}

/** For a look at a member. */
export function clientRoles({
  clients,
}: Config): readonly { readonly name: string; readonly kept: boolean }[] {
  return clients.map(({ name, password, trust }) => ({
    name,
    kept: password === undefined && trust === undefined,
  }));
}
