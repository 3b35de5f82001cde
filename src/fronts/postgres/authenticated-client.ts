import type { Socket } from 'node:net';
import type { ScramKeys } from '../../wire/postgres/index.ts';

/** A connection whose user is known. It has been sent AuthenticationOk and nothing after it. */
export interface AuthenticatedClient {
  /**
   * Paused. The only listeners left are the listener's own on `close` and `error`: they count the client and keep a
   * broken connection from ending the process. A client may close its side and still be answered: ending ours is left to
   * whoever takes the client over.
   */
  readonly socket: Socket;
  /** Bytes that came behind the login. They are to be read before those of the socket. */
  readonly rest: Buffer;
  readonly user: ClientUser;
  /** As the client named it; empty when it named none. */
  readonly database: string;
  /** The settings asked for at start-up, in the order in which they take effect. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Of protocol 3: the client's, or ours where the client's is newer. */
  readonly protocolMinor: number;
  /** The secret that a cancel request has to repeat, beside the pid that the client is told. */
  readonly cancelKey: Buffer;
}

export interface ClientUser {
  readonly name: string;
  /** For logging in to the members: as configured, or what the login has shown of it. Absent for a user who needs none. */
  readonly password: string | ScramKeys | undefined;
  /** The one whose name and password the cluster itself uses. */
  readonly isClusterUser: boolean;
  /** May work on the data. */
  readonly isClient: boolean;
  /** May command Lockstep. */
  readonly isOperator: boolean;
}
