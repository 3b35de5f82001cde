/**
 * The address at which a node that has no configuration is set up: on this machine alone, at a port of the system's choosing, and only
 * for who has the link that was printed. There is no token: the link is good once, and soon.
 *
 *     GET  /api/set-up               how far it is, and what is in the fields at first
 *     POST /api/set-up               writes the file, and lets the node start
 *     POST /api/commands/preflight   looks at one database
 */
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Context } from 'hono';
import { z } from 'zod';
import { LockstepError, systemClock } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { preflight } from '../commands/preflight.ts';
import { memberId, readInput } from '../command.ts';
import type { SetUp, SetUpInput } from '../set-up.ts';
import { answerError, SECURITY_HEADERS, serveConsole } from './http-answers.ts';
import type { HttpEnv } from './http-app.ts';
import { builtConsole, listen, newServer } from './http-server.ts';
import { Login } from './login.ts';
import { readBody } from './read-body.ts';
import { checkHost, checkOrigin } from './request-guard.ts';
import { Tokens } from './tokens.ts';

export interface SetUpDoor {
  /** Opens the page, signed in: once, and soon. */
  readonly link: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const CONNECTIONS_MAX = 32;
const MEMBERS_MAX = 100;

const text = z.string().max(2000);
const setUpInput: z.ZodType<SetUpInput> = z.strictObject({
  cluster: text,
  username: text,
  password: text,
  members: z.array(z.strictObject({ id: memberId, url: text })).max(MEMBERS_MAX),
  clients: z.array(text).max(1000),
  listen: text,
  admin: text,
  state: text,
  source: text,
});

export async function openSetUpDoor(
  setUp: SetUp,
  options: { readonly clock?: Clock; readonly consoleDirectory?: string } = {},
): Promise<SetUpDoor> {
  const { clock = systemClock, consoleDirectory = builtConsole } = options;
  const tokens = Tokens.none();
  const app = new Hono<HttpEnv>();
  app.onError((error, c) => answerError(c, error));
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  });
  app.use(async (c, next) => {
    checkHost(c.env.incoming, []);
    await next();
  });
  app.use('/api/*', async (c, next) => {
    checkOrigin(c.env.incoming);
    await next();
  });
  const login = new Login({ tokens, clock, encrypted: false, setUp: true, refused: () => undefined });
  login.addRoutes(app);
  app.use('/api/*', async (c, next) => {
    login.callerOf(c);
    await next();
  });
  app.get('/api/set-up', (c) => {
    const state = setUp.state();
    c.env.outgoing.once('finish', () => setUp.told(state));
    return c.json(state);
  });
  app.post('/api/set-up', async (c) => c.json(await setUp.write(readInput(setUpInput, await bodyOf(c)))));
  app.post('/api/commands/preflight', async (c) =>
    c.json(await setUp.look(readInput(preflight.input, await bodyOf(c)))),
  );
  app.all('/api/*', (c) => {
    throw new LockstepError({
      code: 'admin.unknown-path',
      message: `there is no ${c.req.method} ${c.req.path} while the node is set up`,
    });
  });
  serveConsole(app, consoleDirectory);

  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = newServer(undefined, (request, response) => void answer(request, response));
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, HOST, 0);
  const { port } = server.address() as AddressInfo;
  return {
    // Behind the #, where it is sent to nobody and written into no log.
    link: `http://${HOST}:${port}/#/enter/${tokens.makeOnce(clock.monotonicMs())}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function bodyOf(c: Context<HttpEnv>): Promise<unknown> {
  return readBody(c.env.incoming);
}
