/** The commit of a transaction that may have written: its place in the order, and its fate. */

import { withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { AnswerSink, SessionLink, WriteSet } from '../../dialects/contract.ts';
import { timesSlower } from '../apply/allowance.ts';
import type { Trial } from '../apply/trial.ts';
import type { Cluster } from '../cluster.ts';
import { noteTrouble } from './request-runner.ts';
import type { RequestRunner } from './request-runner.ts';
import { outcomeUnknown, replicaRefuses } from './session-errors.ts';
import type { Transaction } from './transaction.ts';
import type { SessionHooks, SessionLimits } from './work.ts';

/** 'refused': its error is in the sink. 'dead': nothing of it took effect, and it may be run again. */
export type WriteFate = 'committed' | 'refused' | 'dead';

/** What is large may take the replicas so much longer before anything is wrong. */
const largeTimesLonger = 60;

export class WriteCommit {
  readonly #cluster: Cluster;
  readonly #limits: SessionLimits;
  readonly #runner: RequestRunner;
  readonly #ended: SessionHooks['ended'];
  #underWay = false;

  constructor(cluster: Cluster, limits: SessionLimits, runner: RequestRunner, ended: SessionHooks['ended']) {
    this.#cluster = cluster;
    this.#limits = limits;
    this.#runner = runner;
    this.#ended = ended;
  }

  /** Once it has begun it is carried through, whatever the client does. */
  get underWay(): boolean {
    return this.#underWay;
  }

  async run(transaction: Transaction, link: SessionLink, sink: AnswerSink): Promise<WriteFate> {
    const { commitGate } = this.#cluster;
    const { largeBytes, largeRows } = this.#limits;
    let { bytes } = transaction;
    let trial: Trial | undefined;
    try {
      if (!commitGate.open) await commitGate.passed();
      if (link.lost !== undefined) throw link.lost;
      if (transaction.schemaMs !== undefined) {
        const soFar = await this.#runner.ask(link, (one) => one.writeSetSoFar(largeBytes, sink));
        if (soFar === 'refused') {
          await this.#runner.rollBack(link);
          return 'refused';
        }
        bytes = Math.max(bytes, soFar.bytes);
        if (soFar.writeSet !== undefined)
          trial = await this.#cluster.tryOut(soFar.writeSet, transaction.schemaMs);
        if (link.lost !== undefined) throw link.lost;
      } else if (transaction.unknownSize)
        bytes = Math.max(bytes, await this.#runner.ask(link, (one) => one.pendingBytes()));
    } catch (error) {
      trial?.drop();
      if (!(error instanceof MemberError)) throw error;
      await noteTrouble(this.#cluster, error, true);
      return 'dead';
    }
    if (trial !== undefined && trial.refusals.length > 0) {
      trial.drop();
      await this.#runner.rollBack(link);
      this.#tellRefused(trial.refusals);
      throw replicaRefuses(trial.refusals);
    }
    // No place is taken while the gate is closed.
    if (!commitGate.open) {
      trial?.drop();
      return await this.run(transaction, link, sink);
    }
    const large = bytes > largeBytes || transaction.rows > largeRows;
    const waitMs = this.#limits.outageMs * (large ? largeTimesLonger : 1) + timesSlower * transaction.ranMs;
    return await this.#inTime(this.#carryThrough(transaction, link, sink, { large, trial }), waitMs);
  }

  async #carryThrough(
    transaction: Transaction,
    link: SessionLink,
    sink: AnswerSink,
    { large, trial }: { readonly large: boolean; readonly trial: Trial | undefined },
  ): Promise<WriteFate> {
    const { order, world } = this.#cluster;
    this.#underWay = true;
    // The place is taken now, while every lock is held: whoever waited for this one gets a higher number.
    // A large write set arrives before COMMIT is sent, which may then never reach the primary.
    const ticket = order.open({
      mayBeRefused: transaction.options.mayBeRefused || large,
      primaryMs: transaction.ranMs,
    });
    trial?.place(ticket.csn);
    this.#runner.unanswered = { link, sinceMs: world.clock.monotonicMs() };
    let late = false;
    try {
      const outcome = await link.commit({
        csn: ticket.csn,
        term: ticket.term,
        slot: ticket.slot,
        large,
        onWriteSet: (writeSet) => {
          if (trial?.isOf(writeSet) === false) trial.drop();
          order.received(ticket, writeSet);
        },
        onLatePart: () => {
          late = true;
          trial?.drop();
          order.incomplete(ticket);
        },
        sink,
      });
      this.#runner.unanswered = undefined;
      if (outcome === 'refused') {
        trial?.drop();
        order.dead(ticket, { tombstone: false });
        await this.#runner.rollBack(link);
        return 'refused';
      }
      if (late) order.received(ticket, await this.#wholeRecord(link.memberId, ticket.csn));
      order.committed(ticket);
      const fate = await ticket.outcome;
      if (fate === 'committed') this.#runner.committed(ticket.csn);
      return fate;
    } catch (error) {
      // Its fate may be long in doubt, and readers of the replicas stand behind what is held there.
      trial?.drop();
      if (!(error instanceof MemberError)) {
        order.dead(ticket, { tombstone: false });
        link.close();
        throw error;
      }
      const fate = await this.#cluster.settleCommit(ticket, link, error);
      if (fate === 'committed') this.#runner.committed(ticket.csn);
      return fate;
    } finally {
      this.#underWay = false;
      this.#runner.unanswered = undefined;
    }
  }

  #tellRefused(refusals: readonly MemberError[]): void {
    const answers = Object.fromEntries(refusals.map(({ memberId, message }) => [memberId, message]));
    const sqlState = refusals[0]?.sqlState;
    this.#cluster.world.raise({ type: 'trial-refused', members: Object.keys(answers), sqlState, answers });
  }

  /** As the member has logged it, with what COMMIT itself has added. */
  async #wholeRecord(memberId: string, csn: number): Promise<WriteSet | null> {
    const member = this.#cluster.member(memberId);
    if (member === undefined)
      throw new MemberError(memberId, 'gone', `member ${memberId} was removed while it committed`);
    return await member.log.read(csn);
  }

  /** Its client does not wait for ever. */
  #inTime<T>(fate: Promise<T>, waitMs: number): Promise<T> {
    return withDeadline(this.#cluster.world.clock, waitMs, fate, () => {
      const error = outcomeUnknown(waitMs);
      this.#ended(error);
      return error;
    });
  }
}
