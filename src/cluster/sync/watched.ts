/**
 * What a member may never answer ends all the same: when the member is taken out that is read, when the one that is brought level
 * has gone silent, or on an operator's word.
 */

import { withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Member } from '../../dialects/contract.ts';
import { isActive, SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';

/** What is asked of one member and has no more to do for a large database. */
export const questionMs = 30_000;
/** What has something to do for each table: definitions compared, triggers made. */
export const stepMsMax = 600_000;

export interface Parties {
  /** Who is read. */
  readonly source: Member;
  /** Who is brought level; undefined: nothing is asked of it yet. */
  readonly target?: Member;
  readonly signal: AbortSignal;
}

export interface Watched {
  /** Its reason is what the work is to end with. */
  readonly signal: AbortSignal;
  end(): void;
}

export function watch(parts: SyncParts, { source, target, signal }: Parties): Watched {
  const { membership, settings, world } = parts;
  const { clock } = world;
  const { intervalMs, timeoutMs, threshold } = settings.probe;
  const ended = new AbortController();
  let silent = 0;
  let cancel: (() => void) | undefined;
  const forward = (): void => ended.abort(signal.reason);
  if (signal.aborted) forward();
  signal.addEventListener('abort', forward, { once: true });
  const look = (): void => {
    cancel = clock.after(Math.max(intervalMs, timeoutMs), () => {
      if (!isActive(membership, source)) {
        ended.abort(new SyncFailure('source', `member ${source.id}, which was read, was taken out`));
        return;
      }
      let answered = target === undefined;
      target?.inspect().then(
        () => (answered = true),
        () => undefined,
      );
      cancel = clock.after(timeoutMs, () => {
        silent = answered ? 0 : silent + 1;
        if (silent <= threshold) look();
        else ended.abort(new SyncFailure('unreachable', `member ${target?.id} does not answer any more`));
      });
    });
  };
  look();
  return {
    signal: ended.signal,
    end: () => {
      cancel?.();
      signal.removeEventListener('abort', forward);
    },
  };
}

/**
 * Rejects as soon as `signal` ends or `ms` have passed, whatever becomes of the work: that is to do nothing more by itself then. A
 * connection that the network has forgotten is silent for ever, however well its server answers on others.
 */
export function unlessEnded<T>(
  clock: Clock,
  { signal, ms }: { readonly signal: AbortSignal; readonly ms: number },
  work: Promise<T>,
): Promise<T> {
  const due = withDeadline(clock, ms, work, () => new SyncFailure('failed', `no answer within ${ms} ms`));
  return new Promise((resolve, reject) => {
    const end = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    due.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
}
