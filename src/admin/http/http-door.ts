/**
 * The admin address: HTTP for browsers, programs, load balancers and monitoring. Whoever comes holds a bounded number of
 * connections, and sends headers and bodies of bounded size in bounded time.
 */
import type { AddressInfo, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { systemClock } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { buildHttpApp } from './http-app.ts';
import type { HttpAppParts } from './http-app.ts';
import { builtConsole, listen, newServer } from './http-server.ts';
import { LiveStreams } from './live-streams.ts';
import { Places } from './places.ts';
import { Tokens } from './tokens.ts';

export type { Readiness } from './http-app.ts';

export interface HttpDoorOptions
  extends Pick<HttpAppParts, 'runner' | 'operations' | 'hosts' | 'readiness' | 'metrics' | 'refused'> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly stateDirectory: string;
  warn(message: string): void;
  readonly clock?: Clock;
  readonly consoleDirectory?: string;
}

export interface HttpDoor {
  /** With the port that was really taken. */
  readonly url: string;
  /** Opens the console, signed in as an operator: once, and soon. */
  link(): string;
  /** Another certificate, for those who come from then on; where nothing is encrypted it changes nothing. */
  renew(tls: HttpDoorOptions['tls']): void;
  /** Stops listening; answers that are under way are cut off. */
  close(): Promise<void>;
}

/** A browser holds six, and one for its stream of events. */
const PLACES = { connections: 256, ofAddress: 96, beyond: 32, beyondMs: 2_000 } as const;

export async function openHttpDoor(options: HttpDoorOptions): Promise<HttpDoor> {
  const { host, port, tls, clock = systemClock, consoleDirectory = builtConsole } = options;
  const tokens = await Tokens.open(options.stateDirectory, (message) => options.warn(message));
  const streams = new LiveStreams(options.operations, clock);
  const places = new Places(PLACES, clock);
  const parts = {
    ...options,
    tokens,
    encrypted: tls !== undefined,
    clock,
    consoleDirectory,
    crowded: (socket: Socket) => places.isBeyond(socket),
  };
  const app = buildHttpApp(parts, streams);
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = newServer(tls, (request, response) => void answer(request, response));
  places.watch(server);
  await listen(server, host, port);
  const { address, port: taken } = server.address() as AddressInfo;
  const shown = address.includes(':') ? `[${address}]` : address;
  const url = `${tls === undefined ? 'http' : 'https'}://${shown}:${taken}`;
  return {
    url,
    // Behind the #, where it is sent to nobody and written into no log.
    link: () => `${url}/#/enter/${tokens.makeOnce(clock.monotonicMs())}`,
    renew: (renewed) => {
      if (renewed !== undefined && server instanceof TlsServer)
        server.setSecureContext({ ...renewed, minVersion: 'TLSv1.2' });
    },
    close: () =>
      new Promise((resolve) => {
        streams.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
