/**
 * What a failure means: one inquiry at a time for each member. A refused or closed connection, or an order that cannot be
 * carried out, needs one failed probe; silence needs several; and another member must be able to do the work right now
 * before one is taken out. See DESIGN.md, "Inquiry".
 */

import { messageOf, pause } from '../../base/index.ts';
import type { MemberError } from '../../dialects/contract.ts';
import type { ReplicaStreams } from '../apply/replica-streams.ts';
import { nodeStops, refusesConnections } from '../cluster-errors.ts';
import type { Roster } from '../roster.ts';
import type { ClusterSettings, Verdict, World } from '../world.ts';
import type { Membership } from './membership.ts';
import type { Prober } from './prober.ts';

export interface InquiriesOptions {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly streams: ReplicaStreams;
  readonly prober: Prober;
  readonly stopped: AbortSignal;
  primaryId(): string;
  /** Records the member inactive and goes on without it. Rejects when it could not be done. */
  takeOut(id: string, error: MemberError): Promise<void>;
}

const allSilentPauseMs = 250;

export class Inquiries {
  readonly #options: InquiriesOptions;
  readonly #running = new Map<string, Promise<Verdict>>();

  constructor(options: InquiriesOptions) {
    this.#options = options;
  }

  /** Resolves when it is clear what is to be thought of the member. Rejects when the node stops. */
  open(id: string, error: MemberError, failedProbes: number): Promise<Verdict> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const { membership, roster } = this.#options;
    if (membership.entry(id)?.state !== 'active' && !this.#isPrimary(id)) return Promise.resolve('deposed');
    const load = roster.load(id);
    load.suspect = true;
    const inquiry = this.#inquire(id, error, failedProbes).finally(() => {
      this.#running.delete(id);
      load.suspect = false;
    });
    this.#running.set(id, inquiry);
    return inquiry;
  }

  async #inquire(id: string, first: MemberError, failedProbes: number): Promise<Verdict> {
    const { membership, prober, settings, stopped, streams } = this.#options;
    // An order that cannot be carried out is evidence in itself; a broken connection is only a reason to ask.
    if (first.blame === 'unfit' || first.blame === 'diverged') {
      const out = (await this.#otherAnswers(id)) && (await this.#depose(id, first));
      if (out) return 'deposed';
      await this.#pauseAllSilent();
      streams.get(id)?.goOn();
      return 'alive';
    }
    for (let failures = failedProbes; !stopped.aborted; ) {
      if (membership.entry(id)?.state !== 'active') {
        // Recorded, but its place as the primary could not be taken yet.
        if (!this.#isPrimary(id) || (await this.#depose(id, first))) return 'deposed';
        await this.#pauseAllSilent();
        continue;
      }
      const error = await prober.ask(id);
      if (error === undefined) {
        streams.get(id)?.goOn();
        return 'alive';
      }
      failures += 1;
      if (!isCertain(error) && failures < settings.probe.threshold) continue;
      if ((await this.#otherAnswers(id)) && (await this.#depose(id, error))) return 'deposed';
      // Nobody answers, or nobody else is there: that may be this machine's own network. Nobody is deactivated.
      await this.#pauseAllSilent();
    }
    throw nodeStops();
  }

  #pauseAllSilent(): Promise<void> {
    return pause(this.#options.world.clock, allSilentPauseMs, this.#options.stopped);
  }

  /** Another active member can do the work right now. */
  async #otherAnswers(id: string): Promise<boolean> {
    const { membership, prober, roster } = this.#options;
    const others = membership.active.filter((other) => other !== id && !roster.load(other).suspect);
    const answers = await Promise.all(others.map((other) => prober.ask(other)));
    return answers.some((answer) => answer === undefined);
  }

  /** False: it could not be done. */
  async #depose(id: string, error: MemberError): Promise<boolean> {
    try {
      await this.#options.takeOut(id, error);
      return true;
    } catch (failure) {
      const reason = `could not be taken out: ${messageOf(failure)}`;
      this.#options.world.raise({ type: 'member-unfit', member: id, reason });
      return false;
    }
  }

  #isPrimary(id: string): boolean {
    return id === this.#options.primaryId();
  }
}

/** No second opinion is needed: nobody listens there, or it says itself that it cannot be used. One broken connection proves nothing. */
function isCertain(error: MemberError): boolean {
  return error.blame === 'unfit' || refusesConnections(error);
}
