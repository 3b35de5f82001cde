/** What a server keeps of a password: enough to check a proof, not enough to log in anywhere. */

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { saltPassword } from './salted-password.ts';

export interface ScramVerifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** PostgreSQL's own default. */
const SCRAM_ITERATIONS = 4096;
/** More would let a server, or a verifier in a file, keep a core busy for seconds with each login. */
export const SCRAM_ITERATIONS_MAX = 1_000_000;

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** What proves a password whose text nobody here knows: only where the server keeps the same salt and iterations of it. */
export interface ScramKeys extends Omit<ScramVerifier, 'storedKey'> {
  readonly clientKey: Buffer;
}

export async function makeVerifier(
  password: string,
  options: { readonly salt?: Buffer; readonly iterations?: number } = {},
): Promise<ScramVerifier> {
  const { salt = randomBytes(SALT_BYTES), iterations = SCRAM_ITERATIONS } = options;
  const salted = await saltPassword({ password, salt, iterations });
  const { storedKey } = clientKeys(salted);
  return { iterations, salt, storedKey, serverKey: serverKeyOf(salted) };
}

/**
 * For a user that does not exist: the same salt each time it is asked for, so that the exchange looks like any other,
 * and keys that no password has. `secret` is the node's own and must not change from login to login.
 */
export function mockVerifier(user: string, secret: Buffer, iterations = SCRAM_ITERATIONS): ScramVerifier {
  const invent = (what: string) => createHmac('sha256', secret).update(`${what} ${user}`).digest();
  return {
    iterations,
    salt: invent('salt').subarray(0, SALT_BYTES),
    storedKey: invent('stored key'),
    serverKey: invent('server key'),
  };
}

const VERIFIER =
  /^SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/]+={0,2})\$([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)$/;

/** Reads the form in `pg_authid.rolpassword`. Undefined: it is not one. */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const match = VERIFIER.exec(text);
  if (match === null) return undefined;
  const [, rounds, salt, storedKey, serverKey] = match as unknown as [string, string, string, string, string];
  const verifier: ScramVerifier = {
    iterations: Number(rounds),
    salt: Buffer.from(salt, 'base64'),
    storedKey: Buffer.from(storedKey, 'base64'),
    serverKey: Buffer.from(serverKey, 'base64'),
  };
  const usable =
    verifier.iterations >= 1 &&
    verifier.iterations <= SCRAM_ITERATIONS_MAX &&
    verifier.salt.length > 0 &&
    verifier.storedKey.length === KEY_BYTES &&
    verifier.serverKey.length === KEY_BYTES;
  return usable ? verifier : undefined;
}

export function formatVerifier(verifier: ScramVerifier): string {
  const { iterations, salt, storedKey, serverKey } = verifier;
  return (
    `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}` +
    `$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
  );
}

export function clientKeys(salted: Buffer): { readonly clientKey: Buffer; readonly storedKey: Buffer } {
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return { clientKey, storedKey: createHash('sha256').update(clientKey).digest() };
}

export function serverKeyOf(salted: Buffer): Buffer {
  return createHmac('sha256', salted).update('Server Key').digest();
}
