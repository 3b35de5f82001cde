/** Who a member is: its certificate is that of the name or number that was asked for, and nobody else is told a password as it is. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/dialects/postgres/connect.ts';
import type { TlsSettings } from '../../../src/dialects/postgres/connect.ts';
import { backend, TransactionStatus } from '../../../src/wire/postgres/index.ts';

const { authenticationCleartextPassword, authenticationOk, readyForQuery } = backend;
const letIn = Buffer.concat([authenticationOk, readyForQuery(TransactionStatus.Idle)]);
const login = { user: 'u', password: 'told to nobody', database: 'd', settings: [] };

/** The second, as a server of old asks: with a salt. */
const requests = {
  'a password in clear text': authenticationCleartextPassword,
  'a password by md5': Buffer.from([0x52, 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4]),
} as const;

/** Signed by itself. `names`: as `IP:127.0.0.1` or `DNS:localhost`. */
function certificateOf(names: string): { readonly key: string; readonly cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'lockstep-certificate-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=member';
  const all = [...words.split(' '), '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', all, { stdio: 'ignore' });
  const made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(directory, { recursive: true });
  return made;
}

interface Asked {
  readonly host: string;
  readonly names: string;
  readonly mode: TlsSettings['mode'];
  readonly asksFor?: 'a password in clear text' | 'a password by md5';
  readonly md5?: boolean;
}

/** Everything that the server was told behind the handshake, if the connection came about. */
async function logIn({
  host,
  names,
  mode,
  asksFor,
  md5 = false,
}: Asked): Promise<{ error?: Error; told: string }> {
  const { key, cert } = certificateOf(names);
  let told = '';
  const converse = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.once('data', (startup: Buffer) => {
      told += startup.toString('latin1');
      socket.write(asksFor === undefined ? letIn : requests[asksFor]);
      socket.on('data', (bytes: Buffer) => {
        told += bytes.toString('latin1');
        socket.write(letIn);
      });
    });
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (mode === 'disable') return converse(socket);
    socket.once('data', () => {
      socket.write('S');
      converse(new TLSSocket(socket, { isServer: true, key, cert }));
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const address = { memberId: 'db1', host, port, tls: { mode, ca: cert, md5 }, connectMs: 20_000 };
  const outcome = await connect(address, login).catch((error: Error) => error);
  if (outcome instanceof Error) return { error: outcome, told };
  outcome.socket.destroy();
  return { told };
}

test.each([
  ['a number', '127.0.0.1', 'IP:127.0.0.1'],
  ['a name', 'localhost', 'DNS:localhost'],
  ['one of several', '127.0.0.1', 'DNS:db1.example,IP:127.0.0.1'],
])('verify-full: the certificate is that of the member: %s', async (_, host, names) => {
  expect((await logIn({ host, names, mode: 'verify-full' })).error).toBeUndefined();
});

test('verify-full: the certificate is that of the member: a number of IPv6', async (context) => {
  const own = Object.values(networkInterfaces()).flat();
  if (!own.some((one) => one?.address === '::1')) context.skip('this machine has no ::1');
  expect((await logIn({ host: '::1', names: 'IP:::1', mode: 'verify-full' })).error).toBeUndefined();
  const other = await logIn({ host: '::1', names: 'DNS:localhost,IP:::2', mode: 'verify-full' });
  expect(other.error?.message).toMatch(/::1/);
});

test.each([
  ['a name for a number', '127.0.0.1', 'DNS:localhost'],
  ['another number', '127.0.0.1', 'IP:127.0.0.2'],
  ['another name', 'localhost', 'DNS:db1.example'],
])(
  'verify-full: a certificate of somebody else is refused, and nothing is said to it: %s',
  async (_, host, names) => {
    const { error, told } = await logIn({ host, names, mode: 'verify-full' });
    expect(error?.message).toContain(host);
    expect(told).toBe('');
  },
);

test('a password in clear text is for those alone whose certificate and name were checked', async () => {
  const asked = { host: '127.0.0.1', names: 'IP:127.0.0.1', asksFor: 'a password in clear text' } as const;
  for (const mode of ['disable', 'prefer', 'require', 'verify-ca'] as const) {
    const { error, told } = await logIn({ ...asked, mode });
    expect(error, mode).toMatchObject({ blame: 'unfit', sqlState: '28000' });
    expect(error?.message).toMatch(/clear text.*verify-full/);
    expect(told, mode).not.toContain(login.password);
  }
  const { error, told } = await logIn({ ...asked, mode: 'verify-full' });
  expect(error).toBeUndefined();
  expect(told).toContain(login.password);
});

test('a password by md5 is for the same, unless the configuration allows it', async () => {
  const asked = { host: '127.0.0.1', names: 'IP:127.0.0.1', asksFor: 'a password by md5' } as const;
  for (const mode of ['disable', 'prefer', 'require', 'verify-ca'] as const) {
    const { error, told } = await logIn({ ...asked, mode });
    expect(error, mode).toMatchObject({ blame: 'unfit', sqlState: '28000' });
    expect(error?.message).toMatch(/by md5.*scram-sha-256.*tls\.md5/);
    expect(told, mode).not.toContain('md5');
  }
  for (const allowed of [{ mode: 'verify-full' }, { mode: 'prefer', md5: true }] as const) {
    const { error, told } = await logIn({ ...asked, ...allowed });
    expect(error).toBeUndefined();
    expect(told).toMatch(/md5[0-9a-f]{32}/);
  }
});
