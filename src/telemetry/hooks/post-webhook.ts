/** One attempt at a webhook. */
import { messageOf } from '../../base/index.ts';
import { scrubText } from '../scrub.ts';
import { HookFailure } from './hook.ts';

export interface WebhookPost {
  readonly url: string;
  readonly authorization: string | undefined;
  /** JSON. */
  readonly body: string;
  /** The same for every attempt at one event, so that who has it already knows. */
  readonly id: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const TOO_MANY = 429;
const REQUEST_TIMEOUT = 408;

/** Rejects with a `HookFailure`. */
export async function postWebhook(post: WebhookPost): Promise<void> {
  const { url, authorization, body, id, timeoutMs, signal } = post;
  const late = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': id,
        ...(authorization !== undefined && { authorization }),
      },
      body,
      // What the header says is for this address alone.
      redirect: 'error',
      signal: AbortSignal.any([signal, late]),
    });
    await response.body?.cancel();
  } catch (error) {
    if (signal.aborted) throw new HookFailure('the node stops');
    const why = late.aborted ? `there was no answer within ${timeoutMs} ms` : reasonOf(error);
    throw new HookFailure(scrubText(why), true);
  }
  if (response.ok) return;
  const { status } = response;
  throw new HookFailure(
    `it was answered with status ${status}`,
    status >= 500 || status === TOO_MANY || status === REQUEST_TIMEOUT,
  );
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message !== '' ? cause.message : messageOf(error);
}
