/** Who is logged in to the console. In memory alone: a restart of the node logs everybody out. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/index.ts';
import type { Role } from '../command.ts';

export interface LoginSession {
  readonly role: Role;
  /** What a changing request has to repeat: a page of another origin cannot know it. */
  readonly csrf: string;
}

interface Entry extends LoginSession {
  readonly untilMs: number;
  idleUntilMs: number;
}

const HOUR_MS = 3_600_000;
export const sessionMs = { idle: 2 * HOUR_MS, longest: 12 * HOUR_MS } as const;
/** The oldest one goes when there are more. */
const SESSIONS_MAX = 200;

export class LoginSessions {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** By a digest of the cookie: what is in memory lets nobody in. The oldest first. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  open(role: Role): { readonly cookie: string; readonly session: LoginSession } {
    const cookie = randomBytes(32).toString('base64url');
    const nowMs = this.#clock.monotonicMs();
    const entry = {
      role,
      csrf: randomBytes(24).toString('base64url'),
      untilMs: nowMs + sessionMs.longest,
      idleUntilMs: nowMs + sessionMs.idle,
    };
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < SESSIONS_MAX) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(keyOf(cookie), entry);
    return { cookie, session: entry };
  }

  /** Undefined when there is none, or not any more. Being asked for keeps it alive. */
  find(cookie: string): LoginSession | undefined {
    const entry = this.#entries.get(keyOf(cookie));
    if (entry === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= Math.min(entry.untilMs, entry.idleUntilMs)) {
      this.close(cookie);
      return undefined;
    }
    entry.idleUntilMs = nowMs + sessionMs.idle;
    return entry;
  }

  close(cookie: string): void {
    this.#entries.delete(keyOf(cookie));
  }
}

export function sameSecret(given: string, wanted: string): boolean {
  return timingSafeEqual(
    createHash('sha256').update(given).digest(),
    createHash('sha256').update(wanted).digest(),
  );
}

function keyOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64');
}
