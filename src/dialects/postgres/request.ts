/** A client's request as the front hands it over and a session link carries it out. */

import type { ControlFunction } from './control-schema.ts';
import type { StatementShape } from './statement-shape.ts';

/** A prepared statement of a session. One object per Parse, so that a link can tell a name from its re-use. */
export interface PreparedStatement {
  readonly name: string;
  /** The client's Parse message, whole, to prepare the statement on further members; without it there is only the first. */
  readonly parse: Buffer | undefined;
  /** Some member has confirmed it. Set by the link. */
  confirmed: boolean;
  /** What the client has been told of it. Set by the link. */
  shape?: StatementShape | undefined;
}

export type RequestMessage =
  /** Passed on as it is. */
  | { readonly kind: 'plain'; readonly frame: Buffer }
  /** The client's own Parse: its ParseComplete belongs to the client. `frame` may be the beginning of a large one. */
  | { readonly kind: 'parse'; readonly frame: Buffer; readonly statement: PreparedStatement }
  /** A Bind or Describe that needs the statement to be there. */
  | { readonly kind: 'uses'; readonly frame: Buffer; readonly statement: PreparedStatement };

export interface PostgresRequest {
  /** `simple`: one Query message. `extended`: messages without their Sync, which the link adds. */
  readonly protocol: 'simple' | 'extended';
  readonly messages: readonly RequestMessage[];
  /** What stood in front of the statement in the client's own text, by which it reads the position of an error. */
  readonly textBefore?: Buffer;
  /** EXPLAIN ANALYZE of a change: what the answer says of Lockstep's own triggers is left out. */
  readonly explains?: boolean;
  /** Bytes that still arrive for the last message, which is too large to be held: pulled while the member takes them. */
  readonly rest?: AsyncIterable<Buffer>;
}

/**
 * A call of a function of the control schema, with the node's secret, which the link puts in front of the values. By the
 * protocol's own message for that, and not by a statement: a prepared one may be replaced by a client's code, whose it is
 * then to read what comes, and to answer. Values are in the client's encoding.
 */
export interface ControlCall {
  readonly protocol: 'call';
  readonly name: ControlFunction;
  readonly values: readonly (string | Buffer)[];
}

/** A statement of our own making, or a setting of the client's in the client's own encoding. */
export interface OwnStatement {
  readonly sql: string | Buffer;
  /** RESET ALL also empties what changes are collected in. */
  readonly emptiesRegister?: boolean;
}
