/** Requests for a session link: from what the client sent, and of our own. */

import { frontend } from '../../wire/postgres/index.ts';
import type { PostgresRequest, PreparedStatement, RequestMessage } from '../../dialects/postgres/index.ts';

export type OwnRequest = PostgresRequest;

/** A statement of our own with parameters in text, prepared on each connection when it is first used there. */
export function call(name: string, sql: string): (values: readonly (string | Buffer)[]) => OwnRequest {
  const statement: PreparedStatement = {
    name,
    parse: frontend.parse({ name, query: sql }),
    confirmed: false,
  };
  return (values) => ({
    protocol: 'extended',
    messages: [
      { kind: 'uses', frame: frontend.bind({ statement: name, values }), statement },
      { kind: 'plain', frame: frontend.execute() },
    ],
  });
}

export function simpleRequest(frame: Buffer, textBefore?: Buffer): PostgresRequest {
  const messages = [{ kind: 'plain', frame }] as const;
  return textBefore === undefined
    ? { protocol: 'simple', messages }
    : { protocol: 'simple', messages, textBefore };
}

export function extendedRequest(messages: readonly RequestMessage[]): PostgresRequest {
  return { protocol: 'extended', messages };
}

/** Fails an open transaction on the member, as an error found here would have failed it there. */
export const failingRequest: PostgresRequest = simpleRequest(
  frontend.query('SELECT 1/0 AS "refused by Lockstep"'),
);
