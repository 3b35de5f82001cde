/** One way to the node: JSON there and back, errors that say what to do, and a session that may end at any time. */
import { inConsole } from '../text/hints.ts';
import type { ErrorBody } from '../contract.ts';

export class ApiError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  /** What was wrong in the input. */
  readonly field: string | undefined;
  /** 0: the node was not reached. */
  readonly status: number;

  constructor(status: number, { error }: ErrorBody) {
    super(error.message);
    this.name = 'ApiError';
    this.status = status;
    this.code = error.code;
    this.hint = error.hint === undefined ? undefined : inConsole(error.hint);
    this.field = error.field;
  }
}

interface Access {
  /** The secret beside the cookie: kept for this origin, port included, so that a page that is loaded again and other tabs have it. */
  csrf: string | undefined;
  /** Called when the node no longer knows the session. */
  onExpired: () => void;
}

const KEPT = 'lockstep.session';
/** Where the browser keeps nothing for pages, a session lasts as long as its page. */
let held: string | undefined;

export const access: Access = {
  get csrf() {
    try {
      return window.localStorage.getItem(KEPT) ?? undefined;
    } catch {
      return held;
    }
  },
  set csrf(secret) {
    held = secret;
    try {
      if (secret === undefined) window.localStorage.removeItem(KEPT);
      else window.localStorage.setItem(KEPT, secret);
    } catch {
      // It is held here.
    }
  },
  onExpired: () => undefined,
};

/** Of a request of this page. */
export function credentials(): Readonly<Record<string, string>> {
  const { csrf } = access;
  return csrf === undefined ? {} : { 'x-csrf-token': csrf };
}

/** A node that does not answer at all is told from one that is busy. */
const TIMEOUT_MS = 30_000;

export async function request<T>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await reach(method, path, body);
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  // A wrong token is refused with the same status; that is for the form to say.
  if (response.status === 401 && path !== '/api/session') access.onExpired();
  throw new ApiError(response.status, isErrorBody(answer) ? answer : unspoken(response));
}

async function reach(method: string, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...credentials() };
  if (body !== undefined) headers['content-type'] = 'application/json';
  try {
    return await fetch(path, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, {
      error: {
        code: 'console.unreachable',
        message:
          method === 'GET'
            ? 'The node does not answer.'
            : 'The node does not answer. Whether it did what was asked is not known.',
        hint: 'The page goes on trying. Look at the state of things when the connection is back, before you repeat it.',
      },
    });
  }
}

function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null || !('error' in value)) return false;
  const { error } = value;
  return typeof error === 'object' && error !== null && 'message' in error;
}

function unspoken(response: Response): ErrorBody {
  const message = `The node answered ${response.status} ${response.statusText}.`;
  return { error: { code: 'console.unexpected-answer', message } };
}
