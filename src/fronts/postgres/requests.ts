/** Requests for a session link: from what the client sent, and of our own. */

import type { Statement } from '../../sql/index.ts';
import { frontend } from '../../wire/postgres/index.ts';
import type { ControlCall, PostgresRequest, RequestMessage } from '../../dialects/postgres/index.ts';

export function controlCall(
  name: ControlCall['name'],
  values: readonly (string | Buffer)[] = [],
): ControlCall {
  return { protocol: 'call', name, values };
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

/** EXPLAIN ANALYZE of what changes rows. */
export function explains({ tag, kind }: Statement): boolean {
  return tag === 'EXPLAIN' && kind !== 'read';
}

/** Fails an open transaction on the member, as an error found here would have failed it there. */
export const failingRequest: PostgresRequest = simpleRequest(
  frontend.query('SELECT 1/0 AS "refused by Lockstep"'),
);
