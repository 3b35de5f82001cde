/**
 * The errors of this room, one function each. Bytes come from strangers: whatever they hold, the answer is one of
 * these and never a crash, and nothing is allocated because a header says so.
 */

import { LockstepError } from '../../base/index.ts';

/** A length field that no message of this connection may have. The stream cannot be read any further. */
export function badLength(message: string): LockstepError {
  return new LockstepError({ code: 'wire.bad-length', message, sqlState: '08P01' });
}

/** A message whose inside contradicts its kind. */
export function malformed(what: string, why: string): LockstepError {
  return new LockstepError({
    code: 'wire.malformed',
    message: `malformed ${what} message: ${why}`,
    sqlState: '08P01',
  });
}

/** The first bytes of a connection are not those of a PostgreSQL client. */
export function notPostgres(message: string, hint?: string): LockstepError {
  return new LockstepError({
    code: 'wire.not-postgres',
    message,
    sqlState: '08P01',
    ...(hint === undefined ? {} : { hint }),
  });
}

export function unsupportedProtocol(major: number, minor: number): LockstepError {
  return new LockstepError({
    code: 'wire.unsupported-protocol',
    message: `unsupported frontend protocol ${major}.${minor}: only version 3 is spoken here`,
    sqlState: '0A000',
  });
}

/** Something that was to be written does not fit into the protocol's fields. */
export function tooLong(message: string): LockstepError {
  return new LockstepError({ code: 'wire.too-long', message, sqlState: '54000' });
}

/** A text that would end early on the wire, so that what follows it would be read as something else. */
export function badText(message: string): LockstepError {
  return new LockstepError({ code: 'wire.bad-text', message, sqlState: '22021' });
}

/** A SASL exchange that breaks its own rules, whoever is on the other side. */
export function badScram(message: string): LockstepError {
  return new LockstepError({
    code: 'wire.bad-scram',
    message: `malformed SCRAM message: ${message}`,
    sqlState: '08P01',
  });
}

/** The client did not prove that it knows the password. Says nothing about why, so that users cannot be guessed. */
export function authenticationFailed(): LockstepError {
  return new LockstepError({
    code: 'wire.authentication-failed',
    message: 'password authentication failed',
    sqlState: '28P01',
  });
}

/** The server did not prove that it knows the password, or asks for what a safe client does not do. */
export function serverRefused(message: string): LockstepError {
  return new LockstepError({ code: 'wire.server-not-trusted', message, sqlState: '28000' });
}

/** Nothing that is known here proves the password to this server. */
export function anotherVerifier(): LockstepError {
  return new LockstepError({
    code: 'wire.another-verifier',
    message: "the server keeps another verifier of this role's password than the one that was proven",
    sqlState: '28P01',
  });
}
