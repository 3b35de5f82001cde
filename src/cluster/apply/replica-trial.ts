/**
 * What a replica is given to carry out before the primary commits it: it does, over a connection of its own beside the stream, and
 * keeps the transaction open until the record comes, or is not going to.
 *
 *   free ──hold──▶ held ──place──▶ placed ──commit──▶ free
 *                    └──────drop──────┴──────drop──────┘
 *
 * A connection that is lost takes with it what is held; the record is then applied as any other.
 */

import { messageOf, withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { CommitRecord, Member, TrialAnswer, TrialLink, WriteSet } from '../../dialects/contract.ts';

export class ReplicaTrial {
  readonly #member: Member;
  readonly #clock: Clock;
  readonly #term: number;
  #link: TrialLink | undefined;
  #held = false;
  #csn: number | undefined;
  /** What was held before is being let go of. */
  #lettingGo: Promise<void> = Promise.resolve();
  /** Counts the connections, so that one that was given up is closed when it comes after all. */
  #attempt = 0;
  #ended = false;

  constructor(member: Member, { clock, term }: { readonly clock: Clock; readonly term: number }) {
    this.#member = member;
    this.#clock = clock;
    this.#term = term;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Of what is held, when it has its place. */
  get csn(): number | undefined {
    return this.#csn;
  }

  async hold(writeSet: WriteSet, allowedMs: number): Promise<TrialAnswer> {
    const late = (): MemberError => this.#error(`not tried within ${Math.round(allowedMs)} ms`);
    try {
      const answer = await withDeadline(this.#clock, allowedMs, this.#holdNow(writeSet), late);
      this.#held = answer.kind === 'held';
      return answer;
    } catch (failure) {
      this.#close();
      return {
        kind: 'undecided',
        error: failure instanceof MemberError ? failure : this.#error(messageOf(failure)),
      };
    }
  }

  place(csn: number): void {
    if (this.#held) this.#csn = csn;
  }

  /** Rejects with a broken connection, whatever it was: what became of it the member is then asked over a new one. */
  async commit(record: CommitRecord): Promise<void> {
    const link = this.#link;
    this.#forget();
    try {
      if (link === undefined) throw this.#error('nothing is held');
      await link.commit(record);
    } catch (failure) {
      this.#close();
      throw this.#error(messageOf(failure));
    }
  }

  drop(): void {
    const link = this.#link;
    if (!this.#held || link === undefined) return;
    this.#forget();
    this.#lettingGo = link.letGo().catch(() => this.#close());
  }

  end(): void {
    this.#ended = true;
    this.#close();
  }

  async #holdNow(writeSet: WriteSet): Promise<TrialAnswer> {
    await this.#lettingGo;
    if (this.#link?.lost !== undefined) this.#link = undefined;
    const attempt = this.#attempt;
    const link = this.#link ?? (await this.#member.openTrial(this.#term));
    if (attempt !== this.#attempt || this.#ended) {
      link.close();
      throw this.#error('it was given up');
    }
    this.#link = link;
    return await link.hold(writeSet);
  }

  #forget(): void {
    this.#held = false;
    this.#csn = undefined;
  }

  #close(): void {
    this.#attempt += 1;
    this.#forget();
    this.#link?.close();
    this.#link = undefined;
  }

  #error(why: string): MemberError {
    const { id } = this.#member;
    return new MemberError(id, 'gone', why.startsWith('member ') ? why : `member ${id}: ${why}`);
  }
}
