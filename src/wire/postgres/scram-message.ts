/** What both sides of SCRAM (RFC 5802, RFC 7677) do with its texts: `r=…,s=…,i=…`. */

import { createHmac, randomBytes } from 'node:crypto';
import { badScram } from './wire-error.ts';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';

/** No honest message comes near; what is longer is refused before it is taken apart. */
const MESSAGE_BYTES_MAX = 4096;
/** Printable ASCII without the comma, as RFC 5802 wants nonces to be. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function makeNonce(): string {
  return randomBytes(18).toString('base64');
}

export function scramText(message: Buffer): string {
  if (message.length > MESSAGE_BYTES_MAX) throw badScram(`${message.length} bytes`);
  if (message.includes(0)) throw badScram('it holds a NUL');
  return message.toString('utf8');
}

/**
 * The values of the attributes that a message must begin with, in their order. Extensions may follow them; a mandatory
 * one (`m=`) must stop whoever does not know it, and takes the place of the first.
 */
export function readAttributes(text: string, letters: string): string[] {
  const parts = text.split(',');
  return Array.from(letters, (letter, i) => {
    const part = parts[i];
    if (part === undefined || !part.startsWith(`${letter}=`))
      throw badScram(`attribute ${letter} is missing`);
    return part.slice(2);
  });
}

export function checkNonce(nonce: string): string {
  if (!NONCE.test(nonce)) throw badScram('a nonce that is empty or not printable');
  return nonce;
}

export function fromBase64(text: string): Buffer {
  if (!BASE64.test(text)) throw badScram('a value is not base64');
  return Buffer.from(text, 'base64');
}

export function sign(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

export function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] as number)));
}

/** What the final message repeats of the first one's header, with the channel's own data behind it. */
export function channelBindingValue(header: string, certificateHash: Buffer | undefined): string {
  const data = certificateHash === undefined ? [] : [certificateHash];
  return Buffer.concat([Buffer.from(header), ...data]).toString('base64');
}
