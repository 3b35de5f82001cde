/** A listener on this machine whose clients are answered by a stub: whatever they ask, the answer is `it works`. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { AuthenticatedClient } from '../../../src/fronts/postgres/authenticated-client.ts';
import type { ServerEncryption } from '../../../src/fronts/postgres/encryption.ts';
import { PostgresListener } from '../../../src/fronts/postgres/listener.ts';
import type { PostgresListenerOptions } from '../../../src/fronts/postgres/listener.ts';
import { silentLogger } from '../../../src/telemetry/index.ts';
import {
  backend,
  Frontend,
  HEADER_BYTES,
  MessageFramer,
  TransactionStatus,
} from '../../../src/wire/postgres/index.ts';

export interface Listening {
  readonly listener: PostgresListener;
  readonly port: number;
  /** Clients handed over so far. */
  readonly clients: AuthenticatedClient[];
  readonly url: (user: string, password?: string, rest?: string) => string;
}

export const LIMITS = {
  maxClients: 100,
  maxClientsPerUser: 0,
  maxPreAuthClients: 20,
  clientBufferBytes: 1 << 20,
};

/** Nobody has a password. */
export const trusting: PostgresListenerOptions['authentication'] = {
  clusterUser: 'app',
  clients: [{ name: 'app', trust: 'loopback' }],
  operators: [],
};

const open: PostgresListener[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.stop({ graceMs: 0 })));
});

export async function listen(options: Partial<PostgresListenerOptions> = {}): Promise<Listening> {
  const clients: AuthenticatedClient[] = [];
  const listener = new PostgresListener({
    host: '127.0.0.1',
    port: 0,
    limits: LIMITS,
    loginMs: () => 10_000,
    authentication: {
      clusterUser: 'app',
      clients: [
        { name: 'app', password: 'secret' },
        { name: 'reader', password: 'Grüße\u00a0aus ½' },
      ],
      operators: [],
    },
    databases: ['orders', 'orders_db'],
    onClient: (client) => {
      clients.push(client);
      answer(client);
    },
    onCancel: () => Promise.resolve(),
    onGuessing: () => {},
    logger: silentLogger,
    ...options,
  });
  open.push(listener);
  await listener.start();
  const { port } = listener.address;
  return {
    listener,
    port,
    clients,
    url: (user, password, rest = '') =>
      `postgres://${user}${password === undefined ? '' : `:${encodeURIComponent(password)}`}` +
      `@127.0.0.1:${port}/orders${rest}`,
  };
}

export function answer({ socket, rest, cancelKey }: AuthenticatedClient): void {
  socket.write(backend.parameterStatus('server_version', '15.0'));
  socket.write(backend.parameterStatus('client_encoding', 'UTF8'));
  socket.write(backend.backendKeyData(1, cancelKey));
  socket.write(backend.readyForQuery(TransactionStatus.Idle));
  const framer = new MessageFramer({ maxMessageBytes: 1 << 20, wholeUpToBytes: 1 << 20 });
  const ignore = () => {};
  const sink = {
    message: (type: number) => {
      if (type === Frontend.Terminate) socket.end();
      if (type !== Frontend.Query) return;
      socket.write(backend.rowDescription([{ name: 'answer', typeOid: 25 }]));
      socket.write(backend.dataRow([Buffer.from('it works')]));
      socket.write(backend.commandComplete('SELECT 1'));
      socket.write(backend.readyForQuery(TransactionStatus.Idle));
    },
    largeStart: ignore,
    largeChunk: ignore,
    largeEnd: ignore,
  };
  socket.on('data', (chunk) => framer.push(chunk, sink));
  socket.on('end', () => socket.end());
  if (rest.length > 0) framer.push(rest, sink);
  socket.resume();
}

/** A certificate for 127.0.0.1 that nobody else has signed. */
export function selfSigned(): ServerEncryption {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-certificate-'));
  try {
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const words =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1';
    execFileSync('openssl', [...words.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Cuts what a server sent into its messages. Bytes that are no whole message at the end are an error. */
export function messagesOf(bytes: Buffer): { readonly type: string; readonly frame: Buffer }[] {
  const messages = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) throw new Error('the last message has no header');
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) throw new Error('the last message is not whole');
    messages.push({ type: bytes.toString('latin1', at, at + 1), frame: bytes.subarray(at, end) });
    at = end;
  }
  return messages;
}
