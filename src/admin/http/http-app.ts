/**
 * What is answered at the admin address: who may ask, then which command. Commands are those of every other door; nothing is
 * decided here.
 *
 *     /health /readiness /primary /read-only     for load balancers, without a login
 *     /metrics                                   for monitoring; on this machine without a login
 *     /api/…                                     for the console and for programs
 *     everything else                            the console
 */
import type { Socket } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { Context } from 'hono';
import { LockstepError } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Caller, CommandRunner } from '../command-runner.ts';
import type { Operations } from '../operations.ts';
import { commandRoutes } from './command-routes.ts';
import { answerError, SECURITY_HEADERS, serveConsole } from './http-answers.ts';
import type { LiveStreams } from './live-streams.ts';
import { Login } from './login.ts';
import { checkHost, checkOrigin, isFromHere } from './request-guard.ts';
import type { Tokens } from './tokens.ts';

/** Whether this node can do something for a client right now. */
export interface Readiness {
  readonly role: 'master' | 'failover';
  readonly writes: boolean;
  readonly reads: boolean;
}

export interface HttpAppParts {
  readonly runner: CommandRunner;
  readonly operations: Operations;
  readonly tokens: Tokens;
  /** Names besides this machine's own addresses. */
  readonly hosts: readonly string[];
  readonly encrypted: boolean;
  readonly consoleDirectory: string;
  readonly clock: Clock;
  /** The connection came when there were too many: it is told about health, and nothing else. */
  crowded(socket: Socket): boolean;
  readiness(): Readiness;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** Somebody has come with a wrong token. */
  refused(address: string, reason: string): void;
}

export interface HttpEnv {
  readonly Bindings: HttpBindings;
  readonly Variables: { caller: Caller };
}

/** `streams` are opened here; whoever made them closes them. */
export function buildHttpApp(parts: HttpAppParts, streams: LiveStreams): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.onError((error, c) => answerError(c, error));
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.header(name, value);
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
    if (parts.encrypted) c.header('strict-transport-security', 'max-age=31536000');
  });

  const say = (answer: (now: Readiness) => boolean) => (c: Context<HttpEnv>) => {
    const now = parts.readiness();
    return answer(now) ? c.json(now) : c.json(now, 503);
  };
  app.get('/health', (c) => c.json({ alive: true }));
  app.get(
    '/readiness',
    say(({ writes }) => writes),
  );
  app.get(
    '/primary',
    say(({ role }) => role === 'master'),
  );
  app.get(
    '/read-only',
    say(({ reads }) => reads),
  );

  app.use(async (c, next) => {
    if (parts.crowded(c.env.incoming.socket)) {
      throw new LockstepError({
        code: 'admin.too-many-connections',
        message: 'too many connections are open at this address, or came from yours',
        retryable: true,
        hint: 'close some, and try again',
      });
    }
    checkHost(c.env.incoming, parts.hosts);
    await next();
  });
  const login = new Login(parts);
  app.use('/api/*', async (c, next) => {
    checkOrigin(c.env.incoming);
    await next();
  });
  login.addRoutes(app);
  app.get('/metrics', async (c) => {
    checkOrigin(c.env.incoming);
    if (!isFromHere(c.env.incoming)) login.callerOf(c);
    return c.body(await parts.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
  app.use('/api/*', async (c, next) => {
    c.set('caller', login.callerOf(c));
    await next();
  });
  commandRoutes(app, parts.runner);
  app.get('/api/stream', async (c) => {
    const last = Number(c.req.header('last-event-id') ?? Number.NaN);
    const stream = {
      response: c.env.outgoing,
      role: c.get('caller').role,
      allowed: () => login.isStillAllowed(c),
    };
    await streams.open(stream, SECURITY_HEADERS, Number.isSafeInteger(last) ? last : undefined);
    return RESPONSE_ALREADY_SENT;
  });
  app.all('/api/*', (c) => {
    throw new LockstepError({
      code: 'admin.unknown-path',
      message: `there is no ${c.req.method} ${c.req.path}`,
      hint: 'docs/reference/http-api.md lists what there is',
    });
  });

  serveConsole(app, parts.consoleDirectory);
  return app;
}
