/**
 * A connection can lose an answer without breaking: a device on the way has forgotten it. Whoever waits for long is looked
 * after: when the member says, twice in a row, that it is not at work on the request, the connection is given up, and
 * what it was for is settled as with any broken one. So it is when a replica says nothing for long, though its probes pass: what it
 * was asked another can answer. Where the primary says nothing, and nobody takes its place, the client is told in the end.
 */

import { withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Member, SessionLink } from '../../dialects/contract.ts';
import type { MemberUser, Unanswered } from '../world.ts';

export interface AnswerWatchOptions {
  readonly clock: Clock;
  readonly users: Iterable<MemberUser>;
  member(id: string): Member | undefined;
  readonly primaryId: () => string;
  /** As they are in force. */
  readonly settings: () => AnswerWatchSettings;
}

export interface AnswerWatchSettings {
  /** A request that is older is looked after. */
  readonly afterMs: number;
  readonly everyMs: number;
  /** How long a member is asked. */
  readonly askMs: number;
  /** For a member that cannot be asked nobody waits for longer. */
  readonly outageMs: number;
}

/** For a replica that cannot be asked nobody waits for longer. */
const elsewhereMs = 10_000;

export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  /** Found without anybody at work on them by the last look. */
  #suspected: ReadonlySet<Unanswered> = new Set();
  /** When the member last said anything about it. */
  readonly #saidMs = new WeakMap<Unanswered, number>();
  #cancel: (() => void) | undefined;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, settings } = this.#options;
    this.#cancel = clock.after(settings().everyMs, () => {
      void this.#look().finally(() => {
        if (this.#cancel !== undefined) this.start();
      });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #look(): Promise<void> {
    const { clock, users } = this.#options;
    const idle = new Set<Unanswered>();
    const silent = new Set<Unanswered>();
    await Promise.all(
      [...this.#overdue()].map(async ([id, requests]) => {
        const working = await this.#ask(
          id,
          requests.map(({ link }) => link),
        );
        for (const request of requests) {
          if (working === 'silent') {
            silent.add(request);
            continue;
          }
          this.#saidMs.set(request, clock.monotonicMs());
          if (working !== 'busy' && !working.has(request.link)) idle.add(request);
        }
      }),
    );
    for (const user of users) {
      const { unanswered: request } = user;
      if (request === undefined) continue;
      if (idle.has(request) && this.#suspected.has(request))
        request.link.close('it has finished what it was asked for, and the answer has not arrived');
      else if (silent.has(request)) this.#endSilence(user, request);
    }
    this.#suspected = idle;
  }

  #endSilence(user: MemberUser, request: Unanswered): void {
    const { clock, primaryId, settings } = this.#options;
    const { outageMs } = settings();
    const silentMs = clock.monotonicMs() - (this.#saidMs.get(request) ?? request.sinceMs);
    if (request.link.memberId === primaryId()) {
      if (silentMs > outageMs) user.outage();
    } else if (silentMs > Math.min(elsewhereMs, outageMs))
      request.link.close('it has not answered, and does not say whether it is at work on an answer');
  }

  /** `busy`: all its connections are taken. It answers, and those who have one go on. */
  async #ask(
    id: string,
    links: readonly SessionLink[],
  ): Promise<ReadonlySet<SessionLink> | 'busy' | 'silent'> {
    const { clock, settings } = this.#options;
    const asking = this.#options.member(id)?.working(links);
    if (asking === undefined) return 'silent';
    try {
      return await withDeadline(clock, settings().askMs, asking, () => new Error('late'));
    } catch (error) {
      return error instanceof MemberError && error.blame === 'retry' ? 'busy' : 'silent';
    }
  }

  #overdue(): ReadonlyMap<string, readonly Unanswered[]> {
    const { clock, users, settings } = this.#options;
    const before = clock.monotonicMs() - settings().afterMs;
    const found = new Map<string, Unanswered[]>();
    for (const { unanswered } of users) {
      if (unanswered === undefined || unanswered.sinceMs > before) continue;
      const id = unanswered.link.memberId;
      found.set(id, [...(found.get(id) ?? []), unanswered]);
    }
    return found;
  }
}
