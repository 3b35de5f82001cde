/** One table from our errors to the status of an answer. */
import { LockstepError } from '../../base/index.ts';

const STATUS: Readonly<Record<string, Status>> = {
  'admin.bad-input': 400,
  'admin.not-logged-in': 401,
  'admin.link-only': 401,
  'admin.wrong-token': 401,
  'admin.file-only': 403,
  'admin.foreign-host': 403,
  'admin.foreign-origin': 403,
  'admin.no-csrf-token': 403,
  'admin.not-allowed': 403,
  'admin.unknown-command': 404,
  'admin.unknown-job': 404,
  'admin.unknown-path': 404,
  'admin.unknown-session': 404,
  'cluster.unknown-member': 404,
  'admin.too-large': 413,
  'admin.invalid-value': 422,
  'node.member-not-reached': 422,
  'admin.too-many-wrong-tokens': 429,
  'admin.too-many-connections': 503,
  'admin.too-many-streams': 503,
};

export type Status = 200 | 202 | 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 503;

/** Whatever else is refused before anything has happened is a conflict with how things are. */
export function statusOf(error: unknown): Status {
  if (!(error instanceof LockstepError)) return 500;
  return STATUS[error.code] ?? (error.outcome === 'none' ? 409 : 500);
}
