/**
 * Who asks. Programs show a token with each request; browsers exchange it once for a cookie that no script can read and that
 * is not sent along from other sites, and repeat a second secret with every request. A cookie goes to every port of a host
 * name, so alone it opens nothing; the second secret is answered once, at the login, and kept by the page where other ports do not see it.
 */
import type { Context, Hono } from 'hono';
import { getCookie, setCookie, deleteCookie } from 'hono/cookie';
import { z } from 'zod';
import { LockstepError } from '../../base/index.ts';
import type { Caller } from '../command-runner.ts';
import type { HttpAppParts, HttpEnv } from './http-app.ts';
import { LoginSessions, sameSecret, sessionMs } from './login-sessions.ts';
import type { LoginSession } from './login-sessions.ts';
import { readBody } from './read-body.ts';
import { addressOf } from './request-guard.ts';
import { WrongTokens } from './wrong-tokens.ts';

const COOKIE = 'lockstep_session';
const CSRF_HEADER = 'x-csrf-token';

const loginInput = z.strictObject({ token: z.string().min(1).max(500) });

type Asked = Context<HttpEnv>;

interface LoginParts extends Pick<HttpAppParts, 'tokens' | 'clock' | 'encrypted' | 'refused'> {
  /** There is no node yet, and no token: its link alone lets in. */
  readonly setUp?: true;
}

export class Login {
  readonly #parts: LoginParts;
  readonly #sessions: LoginSessions;
  readonly #wrong: WrongTokens;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    this.#sessions = new LoginSessions(parts.clock);
    this.#wrong = new WrongTokens(parts.clock);
  }

  addRoutes(app: Hono<HttpEnv>): void {
    app.post('/api/session', async (c) => {
      const input = loginInput.safeParse(await readBody(c.env.incoming));
      if (!input.success) {
        const message = `the login cannot be read: ${z.prettifyError(input.error)}`;
        throw new LockstepError({ code: 'admin.bad-input', message, field: 'token' });
      }
      const token = input.data.token.trim();
      const { tokens, clock } = this.#parts;
      const role = tokens.takeOnce(token, clock.monotonicMs()) ?? this.#roleOf(c, token);
      const { cookie, session } = this.#sessions.open(role);
      setCookie(c, this.#name, cookie, { ...this.#cookie, maxAge: sessionMs.longest / 1000 });
      return c.json(this.#answer(session));
    });
    app.get('/api/session', (c) => {
      const session = this.#sessionOf(c);
      // Whoever has the cookie alone is nobody yet.
      if (session === undefined || !hasSecret(c, session)) throw this.#nobody();
      return c.json(this.#answer(session));
    });
    app.delete('/api/session', (c) => {
      if (this.#sessionOf(c) !== undefined) this.callerOf(c);
      this.#sessions.close(getCookie(c, this.#name) ?? '');
      deleteCookie(c, this.#name, this.#cookie);
      return c.json({});
    });
  }

  /** Throws unless it is somebody. */
  callerOf(c: Asked): Caller {
    const shown = c.req.header('authorization');
    if (shown !== undefined) {
      const token = /^Bearer\s+(\S+)$/i.exec(shown)?.[1] ?? '';
      return callerFrom(c, this.#roleOf(c, token), 'token');
    }
    const session = this.#sessionOf(c);
    if (session === undefined) throw this.#nobody();
    if (!hasSecret(c, session)) {
      throw new LockstepError({
        code: 'admin.no-csrf-token',
        message: 'a request with a cookie has to repeat the secret of its session',
        hint: 'send the header X-CSRF-Token with the `csrf` that POST /api/session answered',
      });
    }
    return callerFrom(c, session.role, 'cookie');
  }

  /** For what goes on after it was begun. */
  isStillAllowed(c: Asked): boolean {
    return c.req.header('authorization') !== undefined || this.#sessionOf(c) !== undefined;
  }

  #answer({ role, csrf }: LoginSession): object {
    return { role, csrf, ...(this.#parts.setUp === true && { setUp: true }) };
  }

  #nobody(): LockstepError {
    return this.#parts.setUp === true ? byLinkOnly() : notLoggedIn();
  }

  #sessionOf(c: Asked): LoginSession | undefined {
    return this.#sessions.find(getCookie(c, this.#name) ?? '');
  }

  /** Encrypted, it is a name that a browser takes from this very host alone, and over TLS alone. */
  get #name(): string {
    return this.#parts.encrypted ? `__Host-${COOKIE}` : COOKIE;
  }

  get #cookie() {
    return { httpOnly: true, sameSite: 'Strict', path: '/', secure: this.#parts.encrypted } as const;
  }

  #roleOf(c: Asked, token: string): Caller['role'] {
    const role = this.#parts.tokens.roleOf(token);
    if (role !== undefined) return role;
    const address = addressOf(c.env.incoming.socket);
    const waitSeconds = this.#wrong.note(address);
    if (waitSeconds === 0) {
      this.#parts.refused(address, 'a wrong admin token');
      if (this.#parts.setUp === true) throw byLinkOnly();
      throw new LockstepError({
        code: 'admin.wrong-token',
        message: 'this is not the token of this node',
        hint: 'it is in the file admin-token in the state directory of the node',
      });
    }
    c.header('retry-after', String(waitSeconds));
    throw new LockstepError({
      code: 'admin.too-many-wrong-tokens',
      message: 'too many wrong tokens came from this address',
      retryable: true,
      hint: `try again in ${waitSeconds} seconds`,
    });
  }
}

function hasSecret(c: Asked, { csrf }: LoginSession): boolean {
  return sameSecret(c.req.header(CSRF_HEADER) ?? '', csrf);
}

/** For the record, too. */
function callerFrom(c: Asked, role: Caller['role'], by: 'cookie' | 'token'): Caller {
  return { door: 'http', who: `${role}, by ${by}`, from: addressOf(c.env.incoming.socket), role };
}

function byLinkOnly(): LockstepError {
  return new LockstepError({
    code: 'admin.link-only',
    message: 'this page is opened by the link that `lockstep serve` has printed',
    hint: 'the link works once, and for a quarter of an hour; stop `lockstep serve` and start it again for a new one',
  });
}

function notLoggedIn(): LockstepError {
  return new LockstepError({
    code: 'admin.not-logged-in',
    message: 'nobody is logged in',
    hint: 'send the token as `Authorization: Bearer …`, or log in with POST /api/session',
  });
}
