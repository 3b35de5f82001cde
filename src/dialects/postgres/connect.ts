/** From an address to a logged-in connection: TLS, start-up, authentication. What follows on the socket is the caller's. */

import net from 'node:net';
import tls from 'node:tls';
import { LockstepError, messageOf } from '../../base/index.ts';
import {
  Backend,
  cancelRequest,
  certificateHash,
  frontend,
  md5Password,
  MessageFramer,
  readAuthentication,
  readBackendKeyData,
  readErrorFields,
  readParameterStatus,
  ScramClient,
  sslRequest,
  startupMessage,
} from '../../wire/postgres/index.ts';
import type { ScramKeys } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import { blameOf } from './errors.ts';

export interface TlsSettings {
  readonly mode: 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The password may be asked for by md5 of a server that has proven nothing. */
  readonly md5?: boolean;
}

export interface Address {
  readonly memberId: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  readonly connectMs: number;
  /** What it says of rows may be passed on to operators. */
  readonly showsValues?: boolean;
}

export interface Login {
  readonly user: string;
  /** The text, or what a client has shown of it when it proved it. */
  readonly password: string | ScramKeys | undefined;
  readonly database: string;
  readonly settings: Iterable<readonly [string, string]>;
}

export interface Connection {
  readonly socket: net.Socket;
  readonly parameters: Map<string, string>;
  readonly pid: number;
  readonly key: Buffer;
}

/** Rejects with MemberError: 'gone' when nothing answers, otherwise as the server's error says. */
export function connect(address: Address, login: Login): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let socket: net.Socket | undefined;
    let settled = false;
    const fail = (error: unknown): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket?.destroy();
      reject(error instanceof MemberError ? error : gone(address, whyUnreached(error)));
    };
    const timer = setTimeout(
      () => fail(gone(address, `no answer within ${address.connectMs} ms`)),
      address.connectMs,
    );
    openSocket(address, (opened) => (socket = opened))
      .then(async (opened) => {
        socket = opened;
        const connection = await logIn(opened, address, login);
        if (settled) return;
        // Lost in the moment between two owners: the next one would never hear of it.
        if (opened.destroyed) throw new Error('the connection was closed');
        settled = true;
        clearTimeout(timer);
        resolve(connection);
      }, fail)
      .catch(fail);
  });
}

/** Tells the server to stop what the connection with this key runs. Resolves when the server has taken it. */
export async function sendCancel(
  address: Address,
  connection: Pick<Connection, 'pid' | 'key'>,
): Promise<void> {
  await new Promise<void>((resolve) => {
    let opened: net.Socket | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      resolve();
    };
    // Given up, it is taken back with its connection: what still lies on the way must not hit what runs by then.
    const timer = setTimeout(() => {
      opened?.resetAndDestroy();
      resolve();
    }, address.connectMs);
    openSocket(address, (socket) => {
      opened = socket;
    }).then(
      (socket) => {
        // The server closes after it has signalled the other backend, and only then.
        socket.once('close', settle);
        socket.on('error', settle);
        socket.resume();
        socket.end(cancelRequest(connection.pid, connection.key));
      },
      () => {
        opened?.destroy();
        settle();
      },
    );
  });
}

const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no machine is known by that name',
  EAI_AGAIN: 'its name cannot be looked up at the moment',
  EHOSTUNREACH: 'there is no way to that machine',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'nothing answers there',
  ECONNRESET: 'the connection was cut',
};

/** In words, and with the name by which a handbook knows it. */
function whyUnreached(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const words = UNREACHED[code];
  return words === undefined ? messageOf(error) : `${words} (${code})`;
}

function gone(address: Address, why: string): MemberError {
  return new MemberError(
    address.memberId,
    'gone',
    `member ${address.memberId} at ${address.host}:${address.port}: ${why}`,
  );
}

async function openSocket(address: Address, early: (socket: net.Socket) => void): Promise<net.Socket> {
  const socket = net.connect({ host: address.host, port: address.port, noDelay: true, keepAlive: true });
  socket.on('error', heardByOwner);
  early(socket);
  await once(socket, 'connect');
  if (address.tls.mode === 'disable') return socket;
  socket.write(sslRequest());
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  if (answer[0] === 0x53 && answer.length === 1) return await upgrade(socket, address);
  // More than the one byte would be bytes that someone slipped in before the encryption.
  if (answer[0] !== 0x4e || answer.length !== 1)
    throw new Error('the answer to the TLS request is not PostgreSQL');
  if (address.tls.mode === 'prefer') return socket;
  throw new Error(`the server offers no TLS and tls mode is ${address.tls.mode}`);
}

async function upgrade(socket: net.Socket, address: Address): Promise<net.Socket> {
  const { mode, ca, cert, key } = address.tls;
  const secure = tls.connect({
    socket,
    minVersion: 'TLSv1.2',
    ...(net.isIP(address.host) ? {} : { servername: address.host }),
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full',
    // The name or number that was asked for: of a socket that is open already the library knows none, and takes it for localhost.
    checkServerIdentity: (_, certificate) =>
      mode === 'verify-full' ? tls.checkServerIdentity(address.host, certificate) : undefined,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  secure.on('error', heardByOwner);
  await once(secure, 'secureConnect');
  return secure;
}

/** Who owns the socket listens too. But it changes hands, also in the very moment of an error, and one that nobody hears ends the process. */
function heardByOwner(): void {}

/** The next event of that name, or the error or close that comes instead. */
function once(socket: net.Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      socket.off(event, onEvent);
      socket.off('error', onError);
      socket.off('close', onClose);
      settle();
    };
    const onEvent = (...values: unknown[]): void => finish(() => resolve(values));
    const onError = (error: Error): void => finish(() => reject(error));
    const onClose = (): void => finish(() => reject(new Error('the connection was closed')));
    socket.on(event, onEvent);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}

function logIn(socket: net.Socket, address: Address, login: Login): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const parameters = new Map<string, string>();
    let identity: { pid: number; key: Buffer } = { pid: 0, key: Buffer.alloc(4) };
    let scram: ScramClient | undefined;
    /** With SCRAM both sides have to. */
    let proven = true;
    const framer = new MessageFramer({ maxMessageBytes: 1 << 20, wholeUpToBytes: 1 << 20 });

    let finished = false;
    const finish = (settle: () => void): void => {
      // What comes too late must not touch the socket, which is somebody else's by now.
      if (finished) return;
      finished = true;
      socket.pause();
      socket.removeAllListeners('data');
      socket.off('error', fail);
      socket.removeAllListeners('close');
      framer.halt();
      settle();
    };
    const fail = (error: unknown): void =>
      finish(() => reject(error instanceof Error ? error : new Error(String(error))));

    const refuse = (why: string, sqlState: string): MemberError =>
      new MemberError(address.memberId, 'unfit', `member ${address.memberId} ${why}`, sqlState);
    const needPassword = (): string | ScramKeys => {
      if (login.password === undefined) throw refuse('asks for a password and none is configured', '28000');
      return login.password;
    };
    const needText = (): string => {
      const password = needPassword();
      if (typeof password === 'string') return password;
      throw refuse('asks for a password that the node does not know: let it ask for scram-sha-256', '28000');
    };
    const respond = (client: ScramClient, data: Buffer): Promise<Buffer> =>
      client.respond(data).catch((error: unknown) => {
        const other = error instanceof LockstepError && error.code === 'wire.another-verifier';
        throw other
          ? refuse(
              `keeps another verifier of the password of ${login.user}: set the password again, through Lockstep`,
              '28P01',
            )
          : error;
      });

    const authenticate = async (frame: Buffer): Promise<void> => {
      const request = readAuthentication(frame);
      switch (request.kind) {
        case 'ok':
          if (!proven) throw new Error('the server has not proven that it knows the password');
          return;
        case 'cleartext-password':
          if (!isVerified(socket, address)) throw unprovenServer(address, 'in clear text');
          socket.write(frontend.password(needText()));
          return;
        case 'md5-password':
          if (address.tls.md5 !== true && !isVerified(socket, address))
            throw unprovenServer(address, 'by md5');
          socket.write(
            frontend.password(md5Password({ user: login.user, password: needText(), salt: request.salt })),
          );
          return;
        case 'sasl':
          proven = false;
          scram = new ScramClient({
            password: needPassword(),
            mechanisms: request.mechanisms,
            certificateHash: serverCertificateHash(socket),
          });
          socket.write(frontend.saslInitialResponse(scram.mechanism, scram.first()));
          return;
        case 'sasl-continue':
          if (scram === undefined) throw new Error('SCRAM out of order');
          socket.write(frontend.saslResponse(await respond(scram, request.data)));
          return;
        case 'sasl-final':
          if (scram === undefined) throw new Error('SCRAM out of order');
          scram.finish(request.data);
          proven = true;
          return;
        default:
          throw new Error(
            `the server asks for an authentication method (${request.code}) that is not spoken here`,
          );
      }
    };

    const message = (type: number, frame: Buffer): void => {
      if (finished) return;
      switch (type) {
        case Backend.Authentication:
          authenticate(frame).catch(fail);
          return;
        case Backend.ErrorResponse: {
          const fields = readErrorFields(frame);
          const text = `member ${address.memberId}: ${fields.message}`;
          fail(new MemberError(address.memberId, blameOf(fields.code), text, fields.code));
          return;
        }
        case Backend.ParameterStatus: {
          const status = readParameterStatus(frame);
          parameters.set(status.name, status.value);
          return;
        }
        case Backend.BackendKeyData:
          identity = readBackendKeyData(frame);
          return;
        case Backend.ReadyForQuery:
          if (!proven) fail(new Error('the server has not proven that it knows the password'));
          else finish(() => resolve({ socket, parameters, ...identity }));
          return;
        case Backend.NoticeResponse:
        case Backend.NegotiateProtocolVersion:
          return;
        default:
          fail(new Error('the server does not speak the PostgreSQL protocol'));
      }
    };
    const large = (): void => fail(new Error('the server sent an oversized message during log-in'));
    const sink = { message, largeStart: large, largeChunk: large, largeEnd: large };

    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed the connection during log-in')));
    socket.on('data', (chunk: Buffer) => {
      try {
        framer.push(chunk, sink);
      } catch (error) {
        fail(error);
      }
      // What the server says behind the log-in is for whoever has the socket from here on.
      const rest = finished ? framer.takeHeld() : undefined;
      if (rest !== undefined && rest.length > 0 && !socket.destroyed) socket.unshift(rest);
    });
    socket.resume();
    const parameterList: [string, string][] = [
      ['user', login.user],
      ['database', login.database],
      ...login.settings,
    ].map(([name, value]) => [name, value]);
    socket.write(startupMessage(parameterList));
  });
}

function isVerified(socket: net.Socket, { tls: { mode } }: Address): boolean {
  return mode === 'verify-full' && socket instanceof tls.TLSSocket && socket.authorized;
}

/**
 * Whoever listens where a member is to be may ask for the password as it is, or for something it can be guessed from: only one that
 * has proven who it is gets it. With SCRAM it proves that it knows the password itself.
 */
function unprovenServer({ memberId }: Address, how: 'in clear text' | 'by md5'): MemberError {
  const option = how === 'by md5' ? ', or allow it by `tls.md5`' : '';
  return new MemberError(
    memberId,
    'unfit',
    `member ${memberId} asks for the password ${how}, which only a server gets whose certificate and name are checked: let it ask for scram-sha-256, or set tls mode to verify-full${option}`,
    '28000',
  );
}

function serverCertificateHash(socket: net.Socket): Buffer | undefined {
  if (!(socket instanceof tls.TLSSocket)) return undefined;
  const raw = socket.getPeerCertificate().raw as Buffer | undefined;
  return raw === undefined ? undefined : certificateHash(raw);
}
