/** What every answer at an HTTP door has in common, and the files of the console. */
import type { Context, Hono } from 'hono';
import { LockstepError } from '../../base/index.ts';
import { errorToJson } from '../error-json.ts';
import { consoleNotBuilt, readConsoleFile } from './console-files.ts';
import type { HttpEnv } from './http-app.ts';
import { statusOf } from './http-status.ts';

/** Nothing but what the node itself serves, in nobody's frame. */
export const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Whatever no other route has. */
export function serveConsole(app: Hono<HttpEnv>, directory: string): void {
  app.get('*', async (c) => {
    const file = await readConsoleFile(directory, c.req.path);
    if (file !== undefined) {
      const caching = file.lasting ? 'public, max-age=31536000, immutable' : 'no-cache';
      return c.body(file.body, 200, { 'content-type': file.type, 'cache-control': caching });
    }
    return c.req.path === '/' ? c.html(consoleNotBuilt, 503) : c.text('There is no such page.\n', 404);
  });
}

const ENDS_CONNECTION: ReadonlySet<string> = new Set(['admin.too-large', 'admin.too-many-connections']);

export function answerError(c: Context<HttpEnv>, error: Error): Response {
  if (error instanceof LockstepError && ENDS_CONNECTION.has(error.code)) c.header('connection', 'close');
  if (error instanceof LockstepError && error.code === 'admin.not-logged-in')
    c.header('www-authenticate', 'Bearer');
  return c.json({ error: errorToJson(error) }, statusOf(error));
}
