/** What can keep a listener from listening and a client from logging in, one function each. */

import { LockstepError } from '../../base/index.ts';

export interface ListenPlace {
  readonly host: string;
  readonly port: number;
}

/** `cause` is what the system said to `listen`. */
export function cannotListen({ host, port }: ListenPlace, cause: Error): LockstepError {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new LockstepError({
        code: 'front.port-in-use',
        message: `cannot listen on ${place}: another program already does`,
        hint: 'stop that program, or choose another port',
        cause,
      });
    case 'EACCES':
      return new LockstepError({
        code: 'front.port-forbidden',
        message: `cannot listen on ${place}: the operating system does not allow it`,
        hint: 'choose a port above 1023, or give this account the right to use lower ones',
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'EAI_AGAIN':
    case 'EINVAL':
    case 'ENOTFOUND':
      return new LockstepError({
        code: 'front.bad-host',
        message: `cannot listen on ${place}: this machine has no such address`,
        hint: 'name an address of this machine: 127.0.0.1 for local clients only, 0.0.0.0 for every interface',
        cause,
      });
    default:
      return new LockstepError({
        code: 'front.cannot-listen',
        message: `cannot listen on ${place}: ${cause.message}`,
        cause,
      });
  }
}

export function badCertificate(cause: Error): LockstepError {
  return new LockstepError({
    code: 'front.bad-certificate',
    message: `the certificate and key for clients cannot be used: ${cause.message}`,
    hint: 'both are PEM; the key belongs to the first certificate and has no passphrase',
    cause,
  });
}

export function protocolViolation(message: string, hint?: string): LockstepError {
  return refusal('front.protocol-violation', '08P01', message, hint);
}

export function tooManyLogins(): LockstepError {
  return retryable('front.too-many-logins', '53300', 'too many connections are waiting to log in');
}

export function tooManyClients(): LockstepError {
  return retryable('front.too-many-clients', '53300', 'sorry, too many clients already');
}

export function tooManyOfUser(user: string): LockstepError {
  return retryable('front.too-many-clients', '53300', `too many connections for user "${user}"`);
}

export function shuttingDown(): LockstepError {
  return retryable('front.shutting-down', '57P03', 'the node is shutting down');
}

export function loginTooSlow(): LockstepError {
  return retryable('front.login-too-slow', '57014', 'canceling authentication due to timeout');
}

export function notEncrypted(): LockstepError {
  return refusal(
    'front.not-encrypted',
    '28000',
    'only encrypted connections are accepted here',
    'connect with sslmode=require, or better with sslmode=verify-full',
  );
}

export function noUserName(): LockstepError {
  return refusal('front.no-user-name', '28000', 'no PostgreSQL user name specified in startup packet');
}

/** The same words for a wrong password and for a user who does not exist. */
export function passwordFailed(user: string): LockstepError {
  return refusal('front.password-failed', '28P01', `password authentication failed for user "${user}"`);
}

export function passwordUnchecked(): LockstepError {
  return new LockstepError({
    code: 'front.password-unchecked',
    sqlState: '57P03',
    message: 'the password cannot be checked now: no member says what it keeps of it',
    hint: 'Connect again later. The log of the node says why.',
    retryable: true,
  });
}

export function notAnOperator(user: string): LockstepError {
  return refusal(
    'front.not-an-operator',
    '42501',
    `${user} may not command Lockstep`,
    'Put the name under `admin.users` in the configuration. Your data is in another database.',
  );
}

export function notAClient(user: string): LockstepError {
  return refusal(
    'front.not-a-client',
    '42501',
    `${user} may command Lockstep, in the database "lockstep", and may not work on the data`,
    'Put the name under `clients` in the configuration if it should.',
  );
}

export function remoteWithoutPassword(): LockstepError {
  return refusal(
    'front.no-password-configured',
    '28000',
    'only clients on the same machine may connect: none of them has a password',
    'give `clients` passwords in the configuration of the cluster',
  );
}

export function otherUserWithoutPassword(trusted: readonly string[]): LockstepError {
  return refusal(
    'front.no-password-configured',
    '28000',
    'this user may not connect: it is not listed',
    `connect as user ${trusted.map((name) => `"${name}"`).join(' or ')}, or list it under \`clients\` in the configuration of the cluster`,
  );
}

export function unknownDatabase(database: string, allowed: string): LockstepError {
  return refusal(
    'front.unknown-database',
    '3D000',
    `database "${database}" does not exist`,
    `the database here is "${allowed}"`,
  );
}

export function replicationRefused(): LockstepError {
  return refusal(
    'front.replication-refused',
    '0A000',
    'replication connections are not supported',
    'connect to a member directly',
  );
}

export function badOptions(message: string): LockstepError {
  return refusal('front.bad-options', '42601', message, 'options take -c name=value and --name=value');
}

export function unknownSetting(name: string): LockstepError {
  return refusal('front.unknown-setting', '42704', `unrecognized configuration parameter "${name}"`);
}

export function forbiddenSetting(name: string): LockstepError {
  return refusal('front.forbidden-setting', '42501', `parameter "${name}" cannot be set when connecting`);
}

export function internalError(cause: unknown): LockstepError {
  return new LockstepError({ code: 'front.internal', message: 'internal error', sqlState: 'XX000', cause });
}

function refusal(code: string, sqlState: string, message: string, hint?: string): LockstepError {
  return new LockstepError({ code, sqlState, message, ...(hint === undefined ? {} : { hint }) });
}

function retryable(code: string, sqlState: string, message: string): LockstepError {
  return new LockstepError({ code, sqlState, message, retryable: true });
}
