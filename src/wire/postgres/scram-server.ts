/** The server's side of a SCRAM-SHA-256 login: `first`, then `finish`. A client that fails learns only that it did. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { invariant } from '../../base/index.ts';
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
import type { ScramKeys, ScramVerifier } from './scram-verifier.ts';
import { authenticationFailed, badScram } from './wire-error.ts';

export interface ScramServerOptions {
  /** Of the user, or `mockVerifier` for one that does not exist. */
  readonly verifier: ScramVerifier;
  /** The one that the client chose. */
  readonly mechanism: string;
  /** On an encrypted connection: `certificateHash` of our own certificate, which makes the PLUS variant available. */
  readonly certificateHash?: Buffer | undefined;
  /** Only tests choose it. */
  readonly nonce?: string;
}

/** What AuthenticationSASL offers. */
export function scramMechanisms(certificateHash: Buffer | undefined): ScramMechanism[] {
  return certificateHash === undefined ? ['SCRAM-SHA-256'] : ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'];
}

/** The header, optional escaped user, nonce. The user is ignored: the start-up message named it. */
const CLIENT_FIRST = /^(n|y|p=([A-Za-z0-9.-]+)),([^,]*),(n=[^,]*,r=([^,]*)(?:,.*)?)$/s;

export class ScramServer {
  readonly #verifier: ScramVerifier;
  readonly #bound: boolean;
  readonly #certificateHash: Buffer | undefined;
  readonly #ownNonce: string;
  /** Set by `first`. */
  #exchange: { readonly header: string; readonly nonce: string; readonly messages: string } | undefined;
  /** Set by a proof that held. */
  #clientKey: Buffer | undefined;

  constructor(options: ScramServerOptions) {
    if (!scramMechanisms(options.certificateHash).some((offered) => offered === options.mechanism)) {
      throw badScram('the client chose a mechanism that was not offered');
    }
    this.#verifier = options.verifier;
    this.#bound = options.mechanism === 'SCRAM-SHA-256-PLUS';
    this.#certificateHash = options.certificateHash;
    this.#ownNonce = checkNonce(options.nonce ?? makeNonce());
  }

  /** Answers the client's first message, for AuthenticationSASLContinue. */
  first(clientFirst: Buffer): Buffer {
    invariant(this.#exchange === undefined, 'a SCRAM login begins once');
    const match = CLIENT_FIRST.exec(scramText(clientFirst));
    if (match === null) throw badScram('the first one of a client looks different');
    const [, flag, bindingType, authorization, bare, clientNonce] = match;
    this.#checkBinding(flag as string, bindingType);
    if (authorization !== '') throw badScram('an authorization identity is not supported');
    const nonce = checkNonce(clientNonce as string) + this.#ownNonce;
    const { salt, iterations } = this.#verifier;
    const answer = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;
    this.#exchange = { header: `${flag},,`, nonce, messages: `${bare},${answer}` };
    return Buffer.from(answer);
  }

  /** Checks the client's proof and returns ours, for AuthenticationSASLFinal. Throws `wire.authentication-failed`. */
  finish(clientFinal: Buffer): Buffer {
    invariant(this.#exchange !== undefined, 'a SCRAM login finishes after its first message');
    const { header, nonce, messages } = this.#exchange;
    const text = scramText(clientFinal);
    const proofAt = text.lastIndexOf(',p=');
    if (proofAt < 0) throw badScram('attribute p is missing');
    const withoutProof = text.slice(0, proofAt);
    const [binding, repeatedNonce] = readAttributes(withoutProof, 'cr');
    if (repeatedNonce !== nonce) throw badScram('the nonce has changed');
    if (binding !== channelBindingValue(header, this.#bound ? this.#certificateHash : undefined)) {
      throw badScram('the channel binding does not fit this connection');
    }
    const proof = fromBase64(text.slice(proofAt + 3));
    const exchange = `${messages},${withoutProof}`;
    if (!this.#proves(proof, exchange)) throw authenticationFailed();
    return Buffer.from(`v=${sign(this.#verifier.serverKey, exchange).toString('base64')}`);
  }

  /**
   * What the client's proof has shown to whoever knows the verifier (RFC 5802, section 9): with it one can log in as the client where
   * the same verifier is kept. To be asked for when `finish` has returned.
   */
  get keys(): ScramKeys {
    invariant(this.#clientKey !== undefined, 'a SCRAM login shows its keys when it has succeeded');
    const { iterations, salt, serverKey } = this.#verifier;
    return { iterations, salt, serverKey, clientKey: this.#clientKey };
  }

  #checkBinding(flag: string, bindingType: string | undefined): void {
    if (this.#bound !== (bindingType !== undefined))
      throw badScram('channel binding and mechanism do not agree');
    if (bindingType !== undefined && bindingType !== 'tls-server-end-point') {
      throw badScram('an unknown type of channel binding');
    }
    // The client can bind and believes that we cannot, but we offered it: someone in between took the offer out.
    if (flag === 'y' && this.#certificateHash !== undefined) {
      throw badScram('the offer of channel binding did not reach the client');
    }
  }

  #proves(proof: Buffer, exchange: string): boolean {
    const { storedKey } = this.#verifier;
    if (proof.length !== storedKey.length) return false;
    const clientKey = xor(proof, sign(storedKey, exchange));
    if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)) return false;
    this.#clientKey = clientKey;
    return true;
  }
}
