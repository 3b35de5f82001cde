/** The client's side of a SCRAM-SHA-256 login: `first`, `respond`, `finish`, in this order. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../base/index.ts';
import { saltPassword } from './salted-password.ts';
import {
  channelBindingValue,
  checkNonce,
  fromBase64,
  makeNonce,
  readAttributes,
  scramText,
  sign,
  xor,
} from './scram-message.ts';
import type { ScramMechanism } from './scram-message.ts';
import { clientKeys, SCRAM_ITERATIONS_MAX, serverKeyOf } from './scram-verifier.ts';
import type { ScramKeys } from './scram-verifier.ts';
import { anotherVerifier, badScram, serverRefused } from './wire-error.ts';

export interface ScramClientOptions {
  /** The text, or what proves it where it is kept with the same salt. */
  readonly password: string | ScramKeys;
  /** Those that the server offers. */
  readonly mechanisms: readonly string[];
  /** On an encrypted connection: `certificateHash` of the server's certificate. The login is then bound to it. */
  readonly certificateHash?: Buffer | undefined;
  /** PostgreSQL ignores it and takes the start-up message's. */
  readonly user?: string;
  /** Only tests choose it. */
  readonly nonce?: string;
}

export class ScramClient {
  readonly mechanism: ScramMechanism;
  readonly #password: string | ScramKeys;
  readonly #nonce: string;
  readonly #header: string;
  readonly #firstBare: string;
  readonly #boundTo: Buffer | undefined;
  #serverSignature: Buffer | undefined;

  constructor(options: ScramClientOptions) {
    const { mechanisms, certificateHash } = options;
    const bound = certificateHash !== undefined && mechanisms.includes('SCRAM-SHA-256-PLUS');
    if (!bound && !mechanisms.includes('SCRAM-SHA-256')) {
      throw serverRefused(`the server offers no login that is spoken here: ${mechanisms.join(', ')}`);
    }
    this.mechanism = bound ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
    this.#password = options.password;
    this.#nonce = checkNonce(options.nonce ?? makeNonce());
    this.#boundTo = bound ? certificateHash : undefined;
    // 'y' says "I could have bound": a server that did offer it then knows that someone in between removed the offer.
    this.#header = bound ? 'p=tls-server-end-point,,' : certificateHash === undefined ? 'n,,' : 'y,,';
    this.#firstBare = `n=${escapeUser(options.user ?? '')},r=${this.#nonce}`;
  }

  /** For SASLInitialResponse. */
  first(): Buffer {
    return Buffer.from(this.#header + this.#firstBare);
  }

  /** Answers the server's first message, for SASLResponse. Throws for a server that asks too much or changes the nonce. */
  async respond(serverFirst: Buffer): Promise<Buffer> {
    const text = scramText(serverFirst);
    const [nonce, saltText, rounds] = readAttributes(text, 'rsi') as [string, string, string];
    if (!checkNonce(nonce).startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw serverRefused('the server does not continue the nonce of this login');
    }
    const salt = fromBase64(saltText);
    const iterations = /^[1-9]\d{0,9}$/.test(rounds) ? Number(rounds) : 0;
    if (salt.length === 0 || iterations === 0) throw badScram('salt or iteration count');
    if (iterations > SCRAM_ITERATIONS_MAX) {
      throw serverRefused(
        `the server asks for ${iterations} iterations; ${SCRAM_ITERATIONS_MAX} are allowed`,
      );
    }
    const { clientKey, storedKey, serverKey } = await this.#keys(salt, iterations);
    const withoutProof = `c=${channelBindingValue(this.#header, this.#boundTo)},r=${nonce}`;
    const exchange = `${this.#firstBare},${text},${withoutProof}`;
    this.#serverSignature = sign(serverKey, exchange);
    return Buffer.from(`${withoutProof},p=${xor(clientKey, sign(storedKey, exchange)).toString('base64')}`);
  }

  async #keys(
    salt: Buffer,
    iterations: number,
  ): Promise<{ readonly clientKey: Buffer; readonly storedKey: Buffer; readonly serverKey: Buffer }> {
    const password = this.#password;
    if (typeof password === 'string') {
      const salted = await saltPassword({ password, salt, iterations });
      return { ...clientKeys(salted), serverKey: serverKeyOf(salted) };
    }
    if (iterations !== password.iterations || !salt.equals(password.salt)) throw anotherVerifier();
    return { ...password, storedKey: createHash('sha256').update(password.clientKey).digest() };
  }

  /** Must have returned before the server is believed: it proves that it knows the password too. */
  finish(serverFinal: Buffer): void {
    invariant(this.#serverSignature !== undefined, 'a SCRAM login finishes after its response');
    const text = scramText(serverFinal);
    if (text.startsWith('e=')) throw serverRefused(`the server ends the login: ${text.slice(2)}`);
    const signature = fromBase64((readAttributes(text, 'v') as [string])[0]);
    const expected = this.#serverSignature;
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw serverRefused('the server could not prove that it knows the password');
    }
  }
}

function escapeUser(user: string): string {
  return user.replaceAll('=', '=3D').replaceAll(',', '=2C');
}
