/**
 * Whether a request comes from where it says. A name that an attacker points at this machine (DNS rebinding) makes a browser
 * send its own `Host`; a page of another site makes it send that page's `Origin`. Neither gets anything.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { LockstepError } from '../../base/index.ts';

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Throws unless `Host` is this machine's, or one of `hosts`. */
export function checkHost(request: IncomingMessage, hosts: readonly string[]): void {
  const host = nameOf(request.headers.host ?? '');
  if (hosts.includes(host)) return;
  const { localAddress } = request.socket;
  if (isLoopback(localAddress) && LOOPBACK_NAMES.includes(host)) return;
  // An address cannot be rebound: whoever names it means it.
  if (localAddress !== undefined && host === bracketed(plain(localAddress))) return;
  throw new LockstepError({
    code: 'admin.foreign-host',
    message: `this node is not called ${JSON.stringify(host)}`,
    hint: 'use the address in `listen.admin`, or put the name under `admin.hosts` in the configuration',
  });
}

/** Throws when a page of another origin has made the browser ask. Programs send neither header. */
export function checkOrigin(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const foreign =
    (origin !== undefined && hostOfOrigin(origin) !== host?.toLowerCase()) ||
    site === 'cross-site' ||
    site === 'same-site';
  if (!foreign) return;
  throw new LockstepError({
    code: 'admin.foreign-origin',
    message: `a page of ${JSON.stringify(origin ?? 'another site')} may not ask this node`,
    hint: 'open the console at the address of the node itself',
  });
}

/** The request was made on this machine, and not passed on by a proxy for somebody else. */
export function isFromHere(request: IncomingMessage): boolean {
  const { headers, socket } = request;
  const passedOn = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  return !passedOn && isLoopback(socket.remoteAddress) && LOOPBACK_NAMES.includes(nameOf(headers.host ?? ''));
}

export function addressOf(socket: Socket): string {
  return plain(socket.remoteAddress ?? '');
}

/** Without port, in lower case. */
function nameOf(host: string): string {
  return (/^(\[[^\]]*\]|[^:]*)(:\d+)?$/.exec(host)?.[1] ?? host).toLowerCase();
}

function hostOfOrigin(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(127\.|::1$)/.test(plain(address));
}

/** IPv4 as it is seen by a socket of both kinds. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
