/** Runs requests on links: what runs now, what the session waits for, and up to which CSN it has seen. */

import { withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Answer, AnswerSink, RunOptions, SessionLink } from '../../dialects/contract.ts';
import type { Cluster } from '../cluster.ts';
import type { MemberLoad } from '../reads/member-load.ts';
import { ReadPlace } from '../reads/read-place.ts';
import type { Unanswered } from '../world.ts';
import { HeldAnswer } from './held-answer.ts';
import { answerUnsure } from './session-errors.ts';
import type { SessionSettings } from './session-settings.ts';

export class RequestRunner {
  readonly #cluster: Cluster;
  readonly #settings: SessionSettings;
  #running: SessionLink | undefined;
  #last: SessionLink | undefined;
  readonly #place = new ReadPlace();
  /** What a member has been asked and has not answered. */
  unanswered: Unanswered | undefined;

  constructor(cluster: Cluster, settings: SessionSettings) {
    this.#cluster = cluster;
    this.#settings = settings;
  }

  get running(): SessionLink | undefined {
    return this.#running;
  }

  /** Where the last request ran; undefined before the first. */
  get last(): SessionLink | undefined {
    return this.#last;
  }

  /** Its own commit is on every active member. */
  committed(csn: number): void {
    this.#place.committed(csn);
  }

  /** The member for a read. Undefined: the primary. */
  chooseReader(tried: ReadonlySet<string>): MemberLoad | undefined {
    return this.#cluster.chooseReader(this.#place, tried);
  }

  close(): void {
    this.#place.leave();
  }

  async run(
    link: SessionLink,
    request: unknown,
    sink: AnswerSink,
    { begin, mayBeUnsuitable, ahead, behind }: Omit<RunOptions, 'settings'>,
  ): Promise<Answer> {
    const load = this.#cluster.load(link.memberId);
    const { clock } = this.#cluster.world;
    const since = clock.monotonicMs();
    load.started();
    this.#running = link;
    this.unanswered = { link, sinceMs: since };
    this.#last = link;
    try {
      const settings = this.#settings.missingOn(link);
      return await link.run(request, sink, { settings, begin, mayBeUnsuitable, ahead, behind });
    } finally {
      // Also inside a transaction, and whether or not that commits; and where only some of it came.
      this.#place.shown(link.memberId, this.#cluster.visibleCsn(link.memberId));
      this.#running = undefined;
      this.unanswered = undefined;
      load.ended(clock.monotonicMs() - since);
    }
  }

  /** What the link is asked besides requests: the answer can be lost as theirs can, so it is looked after as theirs is. */
  async ask<T>(link: SessionLink, question: (link: SessionLink) => Promise<T>): Promise<T> {
    const unanswered = { link, sinceMs: this.#cluster.world.clock.monotonicMs() };
    this.unanswered = unanswered;
    try {
      return await question(link);
    } finally {
      if (this.unanswered === unanswered) this.unanswered = undefined;
    }
  }

  /** Whatever is open there is over: a link that is lost has rolled back by itself. */
  async rollBack(link: SessionLink | undefined): Promise<void> {
    if (link !== undefined) await this.ask(link, (one) => one.rollback()).catch(() => undefined);
  }

  /** A request of our own: only its error is the client's to see, and what it tells the client. */
  async runOwn(link: SessionLink, request: unknown, sink: AnswerSink): Promise<Answer> {
    const answerOnly = new HeldAnswer(sink, Infinity, { notices: 'overtake' });
    const answer = await this.run(link, request, answerOnly, { begin: undefined, mayBeUnsuitable: 'no' });
    if (answer.failed) answerOnly.release();
    return answer;
  }

  /**
   * For a moment, what the primary shows may still be lost with it. Rejects when that has happened, and the answer is
   * void; undefined when there is nothing to wait for. The commit waited for is looked after, as its own client's is, from
   * `commitMs` on: whoever only reads waits as long as that can take.
   */
  unsure(link: SessionLink): Promise<void> | undefined {
    const { order, primary, settings, world } = this.#cluster;
    const sure = link.memberId === primary.id ? order.sure() : undefined;
    if (sure === undefined) return undefined;
    const { outageMs } = settings;
    return withDeadline(world.clock, outageMs, sure, () => answerUnsure(outageMs)).then((kept) => {
      if (kept) return;
      const why = `member ${link.memberId} was lost with what it had shown`;
      throw new MemberError(link.memberId, 'gone', why);
    });
  }
}

/** What does not need the primary need not wait for the verdict on a member, but has nowhere else to go without a primary. */
export async function noteTrouble(cluster: Cluster, error: MemberError, primary: boolean): Promise<void> {
  if (primary) await cluster.trouble(error.memberId, error);
  else cluster.report(error.memberId, error);
}
