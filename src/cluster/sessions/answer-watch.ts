/**
 * A connection can lose an answer without breaking: a device on the way has forgotten it. Whoever waits for long is looked
 * after: when the member says, twice in a row, that it is not at work on the request, the connection is given up, and
 * what it was for is settled as with any broken one. Where the member says nothing, and nobody takes its place, the
 * client is told in the end.
 */

import { withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Member, SessionLink } from '../../dialects/contract.ts';
import type { MemberUser, Unanswered } from '../world.ts';

export interface AnswerWatchOptions {
  readonly clock: Clock;
  readonly users: Iterable<MemberUser>;
  member(id: string): Member | undefined;
  /** As they are in force. */
  readonly settings: () => AnswerWatchSettings;
}

export interface AnswerWatchSettings {
  /** A request that is older is looked after. */
  readonly afterMs: number;
  readonly everyMs: number;
  /** How long a member is asked. */
  readonly askMs: number;
  /** Of a member that cannot be asked nobody waits for longer. */
  readonly outageMs: number;
}

export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  /** Found without anybody at work on them by the last look. */
  #suspected: ReadonlySet<Unanswered> = new Set();
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
    const idle = new Set<Unanswered>();
    const silent = new Set<Unanswered>();
    await Promise.all(
      [...this.#overdue()].map(async ([id, requests]) => {
        const working = await this.#ask(
          id,
          requests.map(({ link }) => link),
        );
        for (const request of requests) {
          if (working === undefined) silent.add(request);
          else if (!working.has(request.link)) idle.add(request);
        }
      }),
    );
    const { clock, users, settings } = this.#options;
    const before = clock.monotonicMs() - settings().outageMs;
    for (const user of users) {
      const { unanswered: request } = user;
      if (request === undefined) continue;
      if (idle.has(request) && this.#suspected.has(request))
        request.link.close('it has finished what it was asked for, and the answer has not arrived');
      else if (silent.has(request) && request.sinceMs < before) user.outage();
    }
    this.#suspected = idle;
  }

  /** Undefined: it does not say. */
  #ask(id: string, links: readonly SessionLink[]): Promise<ReadonlySet<SessionLink> | undefined> {
    const { clock, settings } = this.#options;
    const asking = this.#options.member(id)?.working(links) ?? Promise.resolve(undefined);
    return withDeadline(clock, settings().askMs, asking, () => new Error('late')).catch(() => undefined);
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
