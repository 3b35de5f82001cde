/**
 * From the first byte of a connection to a user who is known, or to a cancel request. What it costs to say no comes
 * before what it takes to say yes: nothing about databases or settings is looked at for a stranger.
 */

import { LockstepError } from '../../base/index.ts';
import {
  backend,
  Frontend,
  readSaslInitialResponse,
  readSaslResponse,
  scramMechanisms,
  ScramServer,
} from '../../wire/postgres/index.ts';
import type { CancelRequest, ScramKeys, ScramVerifier, StartupMessage } from '../../wire/postgres/index.ts';
import type { ClientUser } from './authenticated-client.ts';
import type { Authenticator } from './authenticator.ts';
import type { Encryption } from './encryption.ts';
import {
  notAClient,
  notAnOperator,
  noUserName,
  notEncrypted,
  passwordFailed,
  protocolViolation,
} from './login-errors.ts';
import type { LoginChannel } from './login-channel.ts';
import { checkDatabase, checkReplication, isProtocolOption, readSettings } from './startup-settings.ts';

/** The newest version of protocol 3 that is spoken here: 3.2, which has long cancel keys. */
const PROTOCOL_MINOR_MAX = 2;

export interface LoginRules {
  readonly authenticator: Authenticator;
  readonly encryption: Encryption | undefined;
  /** The names that clients may use for the database; the first is the one to recommend. */
  readonly databases: readonly string[];
  /** The one in which Lockstep is commanded. */
  readonly operatorDatabase: string | undefined;
  /** Throws while nobody is let in. Cancel requests are. */
  readonly checkOpen: () => void;
  readonly passwords: PasswordCheck;
}

/** What becomes of wrong passwords. */
export interface PasswordCheck {
  /** Resolves when a password for this user may be looked at. */
  wait(user: string): Promise<void>;
  wrong(user: string): void;
  right(user: string): void;
}

export interface LoggedIn {
  readonly kind: 'logged-in';
  readonly user: ClientUser;
  /** Empty: the client has named none. */
  readonly database: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly protocolMinor: number;
}

/** AuthenticationOk has not been sent: the caller may still refuse. */
export async function login(channel: LoginChannel, rules: LoginRules): Promise<LoggedIn | CancelRequest> {
  const packet = await negotiate(channel, rules.encryption);
  if (packet.kind === 'cancel') return packet;
  if (rules.encryption?.required === true && !channel.encrypted) throw notEncrypted();
  rules.checkOpen();
  const { parameters } = packet;
  const protocolMinor = agreeOnVersion(channel, packet);
  const database = parameters.get('database') ?? '';
  const user = await authenticate(channel, rules, parameters.get('user'), database);
  checkReplication(parameters.get('replication'));
  checkRights(user, database === rules.operatorDatabase);
  checkDatabase(database, rules.databases);
  return { kind: 'logged-in', user, database, parameters: readSettings(parameters), protocolMinor };
}

/** Answers requests for encryption, each at most once, until the client says what it wants. */
async function negotiate(
  channel: LoginChannel,
  encryption: Encryption | undefined,
): Promise<StartupMessage | CancelRequest> {
  const answered = new Set<string>();
  for (;;) {
    const packet = await channel.startupPacket();
    if (packet.kind === 'startup' || packet.kind === 'cancel') return packet;
    if (answered.has(packet.kind) || channel.encrypted) {
      throw protocolViolation('a request for encryption that has already been answered');
    }
    answered.add(packet.kind);
    if (packet.kind === 'ssl-request' && encryption !== undefined) await channel.encrypt(encryption);
    else channel.write('N');
  }
}

function agreeOnVersion(channel: LoginChannel, { minor, parameters }: StartupMessage): number {
  const agreed = Math.min(minor, PROTOCOL_MINOR_MAX);
  const unknownOptions = [...parameters.keys()].filter(isProtocolOption);
  if (agreed < minor || unknownOptions.length > 0) {
    channel.write(backend.negotiateProtocolVersion(agreed, unknownOptions));
  }
  return agreed;
}

async function authenticate(
  channel: LoginChannel,
  { authenticator, passwords }: LoginRules,
  name: string | undefined,
  database: string,
): Promise<ClientUser> {
  if (name === undefined || name === '') throw noUserName();
  const admission = await authenticator.admit(name, { address: channel.socket.remoteAddress, database });
  if (admission.kind === 'trusted') return admission.user;
  await passwords.wait(name);
  try {
    const user = admission.proven(await checkProof(channel, name, admission.verifier));
    passwords.right(name);
    return user;
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'front.password-failed') passwords.wrong(name);
    throw error;
  }
}

/** Said only to who has proven who it is. */
function checkRights({ name, isClient, isOperator }: ClientUser, commands: boolean): void {
  if (commands && !isOperator) throw notAnOperator(name);
  if (!commands && !isClient) throw notAClient(name);
}

async function checkProof(channel: LoginChannel, user: string, verifier: ScramVerifier): Promise<ScramKeys> {
  const { certificateHash } = channel;
  channel.write(backend.authenticationSasl(scramMechanisms(certificateHash)));
  const { mechanism, data } = readSaslInitialResponse(await channel.message(Frontend.Password));
  const scram = new ScramServer({ verifier, mechanism, certificateHash });
  channel.write(backend.authenticationSaslContinue(scram.first(data)));
  const proof = readSaslResponse(await channel.message(Frontend.Password));
  try {
    channel.write(backend.authenticationSaslFinal(scram.finish(proof)));
  } catch (error) {
    // The codec does not know whose password it is.
    const failed = error instanceof LockstepError && error.code === 'wire.authentication-failed';
    throw failed ? passwordFailed(user) : error;
  }
  return scram.keys;
}
