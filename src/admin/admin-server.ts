/**
 * The admin door on this machine: HTTP with JSON over a socket in the state directory. Who may open the socket may
 * command the node, so it belongs to its owner alone.
 *
 *     POST /v1/<command>   { …input }   → 200 { "result": … } or 4xx/5xx { "error": … }
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { LockstepError } from '../base/index.ts';
import type { Caller, CommandRunner } from './command-runner.ts';
import { COMMANDS } from './commands/index.ts';
import { errorToJson } from './error-json.ts';

const BODY_BYTES_MAX = 64 * 1024;
const CONNECTIONS_MAX = 32;
const REQUEST_MS = 10_000;
/** Who may open the socket is the user that runs the node. */
const OWNER: Caller = { door: 'local', who: 'the user of the node', from: 'local', role: 'operator' };

export interface AdminServer {
  /** Stops listening; answers that are under way are cut off. */
  close(): Promise<void>;
}

/** Opens the door at `address`, as given by `adminAddress`. */
export async function openAdminServer(address: string, runner: CommandRunner): Promise<AdminServer> {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS },
    (request, response) => {
      void answer(runner, request, response);
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listenOrReplace(server, address);
  if (process.platform !== 'win32') await chmod(address, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  runner: CommandRunner,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let status = 200;
  let body: object;
  try {
    const command = COMMANDS.find(({ name }) => request.url === `/v1/${name}`);
    if (command === undefined || request.method !== 'POST') {
      throw new LockstepError({
        code: 'admin.unknown-command',
        message: `there is no command ${request.method} ${request.url}`,
        hint: `there are: ${COMMANDS.map(({ name }) => `POST /v1/${name}`).join(', ')}`,
      });
    }
    body = { result: await runner.run(command, await readJson(request), OWNER) };
  } catch (error) {
    status = statusOf(error);
    body = { error: errorToJson(error) };
  }
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
}

function statusOf(error: unknown): number {
  if (!(error instanceof LockstepError)) return 500;
  if (error.code === 'admin.unknown-command') return 404;
  if (error.code === 'admin.bad-input') return 400;
  return error.outcome === 'none' ? 409 : 500;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw badInput(`more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  if (length === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw badInput('this is not JSON');
  }
}

function badInput(fault: string): LockstepError {
  return new LockstepError({ code: 'admin.bad-input', message: `the request cannot be read: ${fault}` });
}

/** A socket that a killed node left behind is replaced; one that somebody answers on is not. */
async function listenOrReplace(server: Server, address: string): Promise<void> {
  try {
    await listen(server, address);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    if (await isAnswered(address)) {
      throw new LockstepError({
        code: 'admin.already-served',
        message: `another node answers on ${address}`,
        hint: 'stop that node first, or give this one a `state` directory of its own',
      });
    }
    await unlink(address);
    await listen(server, address);
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject);
      // Out of descriptors, say: whoever comes later is let in when it can be done.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function isAnswered(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: address });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
