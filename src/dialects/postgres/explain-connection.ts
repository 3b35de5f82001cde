/** Why a server could not be asked, in words for whoever has to mend it: how far the attempt came, and what to do there. */

import { LockstepError, messageOf } from '../../base/index.ts';
import { quoteIdent } from '../../sql/index.ts';
import { MemberError } from '../contract.ts';
import type { CheckItem } from './preflight-check.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
}

/** The last thing that was well: nothing, the server answers, the login is good, the database is there. */
export type Reach = 'nothing' | 'server' | 'login' | 'database';

export interface Unreached extends CheckItem {
  readonly reach: Reach;
  readonly cure: string;
}

export function explainConnection(error: unknown, place: Place): Unreached {
  const { reach, found, cure } = judge(error, place);
  return { name: 'connection', ok: 'fail', reach, found, cure };
}

function judge(error: unknown, place: Place): Pick<Unreached, 'reach' | 'found' | 'cure'> {
  const { host, port, database, username } = place;
  const message = messageOf(error);
  const sqlState = error instanceof MemberError ? error.sqlState : undefined;
  switch (sqlState) {
    case undefined:
      break;
    case '28P01':
      return {
        reach: 'server',
        found: `the server at ${host}:${port} answers, and does not take the password of ${username}`,
        cure: `Correct the password of ${username}, here or on that server.`,
      };
    case '28000':
      return {
        reach: 'server',
        found: `the server at ${host}:${port} answers, and does not let ${username} log in from here: ${message}`,
        cure: `Correct the user name, or let ${username} in from the address of this node: a line in pg_hba.conf of that server, then SELECT pg_reload_conf();`,
      };
    case '3D000':
      return {
        reach: 'login',
        found: `the server at ${host}:${port} has no database ${database}`,
        cure: `CREATE DATABASE ${quoteIdent(database).trim()};`,
      };
    case '53300':
      return {
        reach: 'server',
        found: `the server at ${host}:${port} has no connection left`,
        cure: 'End connections that nobody uses, or raise max_connections of that server.',
      };
    case '57P03':
      return {
        reach: 'server',
        found: `the server at ${host}:${port} is starting up or shutting down`,
        cure: 'Wait a moment, and test again.',
      };
    default:
      return {
        reach: 'login',
        found: message,
        cure:
          error instanceof LockstepError && error.hint !== undefined
            ? error.hint
            : 'Look at the log of that server.',
      };
  }
  const code = /\((E[A-Z_]+)\)$/.exec(message)?.[1];
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return {
      reach: 'nothing',
      found: `no machine is known by the name ${host}`,
      cure: 'Correct the name of the server, or give its IP address.',
    };
  }
  if (code === 'ECONNREFUSED') {
    return {
      reach: 'nothing',
      found: `the machine ${host} answers, and nothing listens at its port ${port}`,
      cure: `Start PostgreSQL there, or correct the port. If it runs: listen_addresses and port in its postgresql.conf say where it listens.`,
    };
  }
  if (
    code === 'ETIMEDOUT' ||
    code === 'EHOSTUNREACH' ||
    code === 'ENETUNREACH' ||
    / no answer /.test(message)
  ) {
    return {
      reach: 'nothing',
      found: `nothing answers at ${host}:${port}`,
      cure: `Check the address and the port, whether the machine is on, and whether a firewall lets this node through to ${host}:${port}.`,
    };
  }
  return {
    reach: 'nothing',
    found: message,
    cure:
      error instanceof LockstepError && error.hint !== undefined
        ? error.hint
        : `Check that PostgreSQL listens at ${host}:${port}, and the settings of TLS.`,
  };
}
