/**
 * The door for PostgreSQL clients: from an accepted connection to an authenticated client, and nothing after it.
 * Whatever strangers do, they hold a bounded number of places for a bounded time, and the program stays up.
 */

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { deferred, invariant, LockstepError, pause, systemClock } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Logger } from '../../telemetry/index.ts';
import { backend } from '../../wire/postgres/index.ts';
import type { CancelRequest } from '../../wire/postgres/index.ts';
import type { AuthenticatedClient } from './authenticated-client.ts';
import { Authenticator } from './authenticator.ts';
import type { AuthenticatorOptions } from './authenticator.ts';
import { CancelRate, LoginPlaces, PasswordGuesses } from './client-limits.ts';
import { Encryption } from './encryption.ts';
import type { ServerEncryption } from './encryption.ts';
import { ClientGone, LoginChannel } from './login-channel.ts';
import {
  cannotListen,
  internalError,
  loginTooSlow,
  shuttingDown,
  tooManyClients,
  tooManyOfUser,
  tooManyLogins,
} from './login-errors.ts';
import type { ListenPlace } from './login-errors.ts';
import { login } from './login.ts';
import type { LoggedIn, PasswordCheck } from './login.ts';
import { writeFatal } from './write-fatal.ts';

export interface PostgresListenerOptions extends ListenPlace {
  /** Absent: connections stay in the clear. */
  readonly tls?: ServerEncryption | undefined;
  readonly limits: {
    readonly maxClients: number;
    /** 0: as many as there may be at all. */
    readonly maxClientsPerUser: number;
    readonly maxPreAuthClients: number;
    /** What a client may leave unread before writing to it has to wait. */
    readonly clientBufferBytes: number;
  };
  /** How long a client may take to log in; asked each time. */
  loginMs(): number;
  readonly authentication: AuthenticatorOptions;
  /** The names that clients may use for the database; the first is the one to recommend. */
  readonly databases: readonly string[];
  /** Among them: the one in which Lockstep is commanded. */
  readonly operatorDatabase?: string | undefined;
  /** Takes the client over. What it throws ends the connection. */
  readonly onClient: (client: AuthenticatedClient) => Promise<void> | void;
  /** Resolves when the request has been acted on, whether it was right or not. */
  readonly onCancel: (pid: number, key: Buffer) => Promise<void>;
  /** Many wrong passwords have come from one place. */
  readonly onGuessing: (address: string, user: string) => void;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Connections beyond all places, that are being told so. Any more are dropped without a word. */
const REFUSALS_AT_ONCE_MAX = 64;
const BACKLOG = 511;
const KEEP_ALIVE_MS = 60_000;
const SHORT_KEY_BYTES = 4;
const LONG_KEY_BYTES = 32;
/** Protocol 3.2 brought keys that cannot be guessed. */
const LONG_KEY_MINOR = 2;

export class PostgresListener {
  readonly #options: PostgresListenerOptions;
  readonly #clock: Clock;
  #encryption: Encryption | undefined;
  readonly #server: Server;
  readonly #loginPlaces: LoginPlaces;
  readonly #cancelRate: CancelRate;
  readonly #guesses: PasswordGuesses;
  #wrongPasswords = 0;
  /** All that are open, before and after the login. */
  readonly #connections = new Set<Socket>();
  /** Those that have logged in. */
  readonly #clients = new Set<Socket>();
  readonly #clientsOf = new Map<string, number>();
  readonly #clientsGone = deferred();
  #authenticator: Authenticator | undefined;
  #stopped: Promise<void> | undefined;

  /** Throws `front.bad-certificate`. */
  constructor(options: PostgresListenerOptions) {
    const { limits, tls, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#encryption = tls === undefined ? undefined : new Encryption(tls);
    this.#loginPlaces = new LoginPlaces(limits.maxPreAuthClients, clock);
    this.#cancelRate = new CancelRate(clock);
    this.#guesses = new PasswordGuesses(clock);
    this.#server = createServer({
      // A client that has sent all it wants to send is still answered.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      highWaterMark: limits.clientBufferBytes,
    });
    this.#server.maxConnections = limits.maxClients + limits.maxPreAuthClients + REFUSALS_AT_ONCE_MAX;
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  /** Where it listens: the port that the system chose, if it was asked to. */
  get address(): ListenPlace {
    const address = this.#server.address() as AddressInfo | null;
    invariant(address !== null, 'the listener has been started');
    return { host: address.address, port: address.port };
  }

  /** Clients that are logged in. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Since the start. */
  get wrongPasswords(): number {
    return this.#wrongPasswords;
  }

  /**
   * Other users, another certificate: makes them ready, and resolves with what puts them in force for those who come from
   * then on. Throws `front.bad-certificate`.
   */
  async prepare({
    tls,
    authentication,
  }: Pick<PostgresListenerOptions, 'tls' | 'authentication'>): Promise<() => void> {
    const encryption = tls === undefined ? undefined : new Encryption(tls);
    const authenticator = await Authenticator.create(authentication);
    return () => {
      this.#encryption = encryption;
      this.#authenticator = authenticator;
    };
  }

  /** Throws `front.port-in-use`, `front.port-forbidden`, `front.bad-host` or `front.cannot-listen`. */
  async start(): Promise<void> {
    const { host, port, authentication, logger } = this.#options;
    this.#authenticator = await Authenticator.create(authentication);
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => reject(cannotListen({ host, port }, error));
      this.#server.once('error', fail);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off('error', fail);
        resolve();
      });
    });
    // Out of file descriptors, say. The listener goes on and takes connections when it can.
    this.#server.on('error', (error) => logger.warn({ error }, 'a connection could not be accepted'));
  }

  /**
   * Lets nobody in any more, and says so to those who come. Resolves when the clients have left, or have been cut off
   * after `graceMs`, and the port is free. Until then cancel requests are served.
   */
  stop({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#stopped ??= this.#drainAndClose(graceMs);
    return this.#stopped;
  }

  async #drainAndClose(graceMs: number): Promise<void> {
    if (!this.#server.listening) return;
    if (this.#clients.size > 0) {
      const cancel = this.#clock.after(graceMs, () => this.#clientsGone.resolve());
      await this.#clientsGone.promise;
      cancel();
    }
    const ends = [this.#server, ...this.#connections].map(closed);
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
    await Promise.all(ends);
  }

  #accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    // Connections break. Whoever reads or writes learns it from `close`.
    socket.on('error', () => {});
    const ending = new AbortController();
    const leave = this.#loginPlaces.enter(() => ending.abort(tooManyLogins()), socket.remoteAddress);
    if (leave === undefined) {
      writeFatal(socket, tooManyLogins(), this.#clock);
      return;
    }
    const cancelTimer = this.#clock.after(this.#options.loginMs(), () => ending.abort(loginTooSlow()));
    const channel = new LoginChannel(socket, ending.signal);
    void this.#receive(channel, ending.signal)
      .catch((error: unknown) => this.#refuse(channel, error))
      .finally(() => {
        cancelTimer();
        leave();
      });
  }

  async #receive(channel: LoginChannel, signal: AbortSignal): Promise<void> {
    invariant(this.#authenticator !== undefined, 'connections come after the start');
    const result = await login(channel, {
      authenticator: this.#authenticator,
      encryption: this.#encryption,
      databases: this.#options.databases,
      operatorDatabase: this.#options.operatorDatabase,
      checkOpen: () => this.#checkOpen(),
      passwords: this.#passwordsFrom(channel.socket.remoteAddress ?? '', signal),
    });
    if (result.kind === 'cancel') await this.#cancel(channel.socket, result, signal);
    else this.#handOver(channel, result);
  }

  #passwordsFrom(address: string, signal: AbortSignal): PasswordCheck {
    return {
      wait: async (user) => {
        // There is time left to hear that it was wrong.
        const delayMs = Math.min(this.#guesses.delayMs(user, address), this.#options.loginMs() / 4);
        if (delayMs > 0) await pause(this.#clock, delayMs, signal);
      },
      wrong: (user) => {
        this.#wrongPasswords += 1;
        if (this.#guesses.note(user, address)) this.#options.onGuessing(address, user);
      },
      right: (user) => this.#guesses.forget(user, address),
    };
  }

  /** The answer is the same whatever the request did: the connection ends. */
  async #cancel(socket: Socket, { pid, key }: CancelRequest, signal: AbortSignal): Promise<void> {
    const { logger, onCancel } = this.#options;
    socket.resume();
    const close = () => socket.end(() => socket.destroy());
    signal.addEventListener('abort', close);
    try {
      if (this.#cancelRate.allows(socket.remoteAddress ?? '')) await onCancel(pid, key);
      else logger.warn({ address: socket.remoteAddress }, 'too many cancel requests: one was ignored');
    } catch (error) {
      logger.error({ error, pid }, 'a cancel request failed');
    } finally {
      // Not before the statement has been told to stop: clients wait for this before they send the next one.
      signal.removeEventListener('abort', close);
      close();
    }
  }

  #handOver(channel: LoginChannel, { user, database, parameters, protocolMinor }: LoggedIn): void {
    const { limits, logger } = this.#options;
    this.#checkOpen();
    if (this.#clients.size >= limits.maxClients) throw tooManyClients();
    const ofUser = this.#clientsOf.get(user.name) ?? 0;
    if (limits.maxClientsPerUser > 0 && ofUser >= limits.maxClientsPerUser) throw tooManyOfUser(user.name);
    const { socket } = channel;
    if (socket.destroyed) throw new ClientGone();
    this.#clients.add(socket);
    this.#clientsOf.set(user.name, ofUser + 1);
    socket.once('close', () => this.#forget(socket, user.name));
    channel.write(backend.authenticationOk);
    logger.debug({ user: user.name, address: socket.remoteAddress }, 'a client has logged in');
    const cancelKey = randomBytes(protocolMinor >= LONG_KEY_MINOR ? LONG_KEY_BYTES : SHORT_KEY_BYTES);
    const client = { socket, rest: channel.takeRest(), user, database, parameters, protocolMinor, cancelKey };
    void this.#serve(client).catch((error: unknown) => this.#refuse(channel, error));
  }

  async #serve(client: AuthenticatedClient): Promise<void> {
    await this.#options.onClient(client);
  }

  #forget(socket: Socket, user: string): void {
    this.#clients.delete(socket);
    const left = (this.#clientsOf.get(user) ?? 1) - 1;
    if (left === 0) this.#clientsOf.delete(user);
    else this.#clientsOf.set(user, left);
    if (this.#stopped !== undefined && this.#clients.size === 0) this.#clientsGone.resolve();
  }

  #checkOpen(): void {
    if (this.#stopped !== undefined) throw shuttingDown();
  }

  #refuse(channel: LoginChannel, error: unknown): void {
    const { logger } = this.#options;
    const { socket } = channel;
    const address = socket.remoteAddress;
    if (error instanceof ClientGone) {
      socket.destroy();
    } else if (error instanceof LockstepError) {
      logger.info({ address, code: error.code, reason: error.message }, 'a connection was refused');
      writeFatal(socket, error, this.#clock);
    } else {
      logger.error({ address, error }, 'a connection failed for an internal reason');
      writeFatal(socket, internalError(error), this.#clock);
    }
  }
}

function closed(resource: Server | Socket): Promise<void> {
  return new Promise((resolve) => resource.once('close', () => resolve()));
}
