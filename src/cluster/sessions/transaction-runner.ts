/** The requests of a transaction, on the member that it began on; all of them again elsewhere, when that one is lost. */

import { LockstepError, withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Answer, AnswerSink, SessionLink } from '../../dialects/contract.ts';
import type { Cluster } from '../cluster.ts';
import { HeldAnswer, nobody } from './held-answer.ts';
import type { HeldAnswerOptions } from './held-answer.ts';
import { noteTrouble } from './request-runner.ts';
import type { RequestRunner } from './request-runner.ts';
import { answerCutShort, cannotMove, cannotReplay, noMember, transactionAborted } from './session-errors.ts';
import type { SessionLinks } from './session-links.ts';
import type { Transaction } from './transaction.ts';
import type { SessionLimits, Work } from './work.ts';

export interface TransactionRunnerParts {
  readonly cluster: Cluster;
  readonly limits: SessionLimits;
  readonly links: SessionLinks;
  readonly runner: RequestRunner;
  /** The session depends on its connection to the primary. */
  pinned(): boolean;
  /** A transaction of this session that only reads has met numbers that are the primary's to give. */
  numbersMet(): void;
  /** A request that no member has yet is not begun any more. */
  throwIfCancelled(): void;
}

/** Until then a notice keeps its place in the answer. */
const noticeHoldMs = 3;

export class TransactionRunner {
  readonly #parts: TransactionRunnerParts;
  readonly #noticesKept: HeldAnswerOptions;

  constructor(parts: TransactionRunnerParts) {
    this.#parts = parts;
    const { clock } = parts.cluster.world;
    this.#noticesKept = { notices: (overtake) => clock.after(noticeHoldMs, overtake) };
  }

  async run(transaction: Transaction, work: Work, sink: AnswerSink): Promise<Answer> {
    if (transaction.failed) throw transactionAborted();
    const { limits, runner } = this.#parts;
    if (work.atPrimary) await this.#toPrimary(transaction, { numbers: work.numbers !== undefined });
    for (;;) {
      const held = new HeldAnswer(sink, limits.heldAnswerBytes, this.#noticesKept);
      try {
        const answer = await this.#step(transaction, work, held);
        if (answer.unsuitable !== undefined) {
          held.drop();
          await this.#toPrimary(transaction, { numbers: true });
          continue;
        }
        transaction.wrote ||= work.effect === 'write';
        // Who writes holds locks that others may wait for, and comes after what it saw: lost with it, or run again.
        const unsure =
          transaction.wrote || transaction.link === undefined ? undefined : runner.unsure(transaction.link);
        if (unsure !== undefined)
          await unsure.catch((error: unknown) => {
            transaction.failed = error instanceof LockstepError;
            throw error;
          });
        held.release();
        transaction.record(work, answer, limits);
        return answer;
      } catch (error) {
        held.drop();
        if (!(error instanceof MemberError)) throw error;
        if (error.blame !== 'gone') {
          transaction.failed = true;
          throw noMember(error);
        }
        if (held.passedOn || work.takesInput) {
          transaction.failed = true;
          throw answerCutShort(error);
        }
        await this.repeat(transaction, error.message, error);
      }
    }
  }

  #atReplica({ link }: Transaction): boolean {
    return link !== undefined && link.memberId !== this.#parts.cluster.primary.id;
  }

  /** One that only reads has begun elsewhere, and now comes what belongs to the primary: it is run again there. */
  async #toPrimary(transaction: Transaction, { numbers }: { readonly numbers: boolean }): Promise<void> {
    transaction.atPrimary = true;
    if (!this.#atReplica(transaction)) return;
    if (numbers) this.#parts.numbersMet();
    await this.#parts.runner.rollBack(transaction.link);
    await this.repeat(transaction, 'a statement of it belongs to the primary');
  }

  /** All of it from its beginning, on the member that is the primary now. Equal answers, or 40001. */
  async repeat(transaction: Transaction, why: string, error?: MemberError): Promise<void> {
    const { cluster, limits, links } = this.#parts;
    const { clock } = cluster.world;
    const until = clock.monotonicMs() + limits.replayMs;
    let cause = error;
    for (;;) {
      if (cause !== undefined) {
        const leftMs = Math.max(1, until - clock.monotonicMs());
        const verdict = noteTrouble(cluster, cause, !transaction.options.readOnly);
        await withDeadline(clock, leftMs, verdict, () => {
          transaction.failed = true;
          return cannotReplay(`no other could take it over in time (${why})`);
        });
      }
      if (links.closed) throw cannotReplay('the client is gone');
      transaction.link = undefined;
      if (transaction.unrepeatable !== undefined) return giveUp(transaction, transaction.unrepeatable);
      if (clock.monotonicMs() > until)
        return giveUp(transaction, `it could not be run again in time (${why})`);
      try {
        await this.#replay(transaction);
        return;
      } catch (failure) {
        if (!(failure instanceof MemberError)) throw failure;
        if (failure.blame !== 'gone') return giveUp(transaction, failure.message);
        cause = failure;
      }
    }
  }

  async #replay(transaction: Transaction): Promise<void> {
    const statements = transaction.log.length;
    const told = (answers: 'equal' | 'different'): void =>
      this.#parts.cluster.world.raise({ type: 'session-replayed', statements, answers });
    for (const { work, digest } of transaction.log) {
      const answer = await this.#step(transaction, work, nobody);
      if (answer.digest === digest) continue;
      told('different');
      await this.#parts.runner.rollBack(transaction.link);
      giveUp(transaction, 'its statements give other answers now');
    }
    if (statements > 0) told('equal');
  }

  /** One request, with what belongs around it. Begins the transaction if it has not begun. */
  async #step(transaction: Transaction, work: Work, sink: AnswerSink): Promise<Answer> {
    const { runner } = this.#parts;
    const first = transaction.link === undefined;
    const link = transaction.link ?? (await this.#placeOf(transaction, work));
    if (first) this.#parts.throwIfCancelled();
    transaction.link = link;
    const begin = first ? transaction.options.begin : undefined;
    const numbersMatter = this.#atReplica(transaction) && !goesByNumbers(transaction);
    // Behind an answer that may be given up, or that begins when data has come, nothing is sent yet.
    const together = !numbersMatter && work.takesInput !== true;
    const { before: ahead, after } = work;
    const { clock } = this.#parts.cluster.world;
    const sinceMs = clock.monotonicMs();
    const answer = await runner.run(link, work.request, sink, {
      begin,
      mayBeUnsuitable: numbersMatter ? 'numbers' : 'no',
      ahead,
      behind: together ? after : undefined,
    });
    const tookMs = clock.monotonicMs() - sinceMs;
    transaction.ranMs += tookMs;
    if (answer.changesSchema) work.onSchemaChanged?.();
    if (work.changesSchema || answer.changesSchema)
      transaction.schemaMs = (transaction.schemaMs ?? 0) + tookMs;
    if (answer.failed || answer.unsuitable !== undefined) return answer;
    if (!together && after !== undefined)
      for (const own of after) {
        const called = await runner.runOwn(link, own, sink);
        if (called.failed) return called;
      }
    return answer;
  }

  async #placeOf(transaction: Transaction, work: Work): Promise<SessionLink> {
    const { cluster, links, runner } = this.#parts;
    const prefers = transaction.atPrimary || work.prefersPrimary === true;
    if (!transaction.options.readOnly || this.#parts.pinned() || prefers)
      return links.primaryNow() ?? (await links.primary());
    const tried = new Set<string>();
    for (let reader = runner.chooseReader(tried); reader !== undefined; reader = runner.chooseReader(tried)) {
      const member = cluster.member(reader.id);
      if (member === undefined || member.id === cluster.primary.id) break;
      try {
        return await links.to(member);
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        tried.add(member.id);
        if (error.blame === 'gone') await noteTrouble(cluster, error, false);
      }
    }
    return await links.primary();
  }
}

/** Who has asked the catalog of this member goes by its numbers, and cannot be moved to others. */
function goesByNumbers({ log, unrepeatable }: Transaction): boolean {
  return unrepeatable !== undefined || log.some(({ work }) => work.effect === 'primary-read');
}

function giveUp(transaction: Transaction, why: string): never {
  transaction.failed = true;
  throw transaction.atPrimary ? cannotMove(why) : cannotReplay(why);
}
