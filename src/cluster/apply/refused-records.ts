/**
 * Whose fault it is that a replica refuses a record: its own, when another one has applied it; the record's, when none of them can.
 * See ../DESIGN.md, "Refused records".
 */

import { messageOf, pause } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { World } from '../world.ts';
import type { ApplyStream } from './apply-stream.ts';
import { failsAlone } from './refusal.ts';

export interface RefusedRecordsOptions {
  readonly world: World;
  readonly stopped: AbortSignal;
  /** The streams of those that count. */
  counting(): readonly ApplyStream[];
  /** While it is not known whose fault it is, nobody is shown what the record has made. */
  doubt(csn: number): void;
  trust(csn: number): void;
  /** It cannot do what another one could. */
  onFailed(id: string, error: MemberError): void;
  /** It is recorded inactive: no place is open there any more. */
  primaryIsLost(): boolean;
  /** Right now. */
  primaryAnswers(): Promise<boolean>;
  /** All replicas refuse it: resolves when they are recorded inactive. */
  takeOut(csn: number, errors: ReadonlyMap<string, MemberError>): Promise<void>;
  /** And the primary, which alone has it, is lost. */
  revoke(csn: number, errors: ReadonlyMap<string, MemberError>): void;
}

const lookAgainMs = 2;
/** Nobody can be taken out just now. */
const tryAgainMs = 50;

export class RefusedRecords {
  readonly #options: RefusedRecordsOptions;
  /** By CSN, what was answered by whom. */
  readonly #cases = new Map<number, Map<string, MemberError>>();

  constructor(options: RefusedRecordsOptions) {
    this.#options = options;
  }

  note(id: string, csn: number, error: MemberError): void {
    const known = this.#cases.get(csn);
    if (known !== undefined) {
      known.set(id, error);
      return;
    }
    const errors = new Map([[id, error]]);
    this.#cases.set(csn, errors);
    this.#options.doubt(csn);
    void this.#settle(csn, errors);
  }

  async #settle(csn: number, answers: ReadonlyMap<string, MemberError>): Promise<void> {
    const { stopped, world } = this.#options;
    try {
      while (!stopped.aborted && !(await this.#judge(csn, answers)))
        await pause(world.clock, lookAgainMs, stopped);
    } finally {
      this.#cases.delete(csn);
      this.#options.trust(csn);
    }
  }

  /** False: it has to be looked again. */
  async #judge(csn: number, answers: ReadonlyMap<string, MemberError>): Promise<boolean> {
    const streams = this.#options.counting().filter(({ ended }) => !ended);
    const refusing = streams.filter(({ refusedCsn }) => refusedCsn === csn).map(({ member }) => member.id);
    if (refusing.length === 0) return true;
    const errors = new Map([...answers].filter(([id]) => refusing.includes(id)));
    if (streams.some(({ appliedCsn }) => appliedCsn >= csn)) {
      for (const [id, error] of errors) this.#options.onFailed(id, alone(id, error));
      return true;
    }
    if (refusing.length < streams.length) return false;
    if (await this.#recordsFault(csn, errors)) return true;
    await pause(this.#options.world.clock, tryAgainMs, this.#options.stopped);
    return false;
  }

  /** False: it could not be done. */
  async #recordsFault(csn: number, errors: ReadonlyMap<string, MemberError>): Promise<boolean> {
    const { world } = this.#options;
    if (this.#options.primaryIsLost()) {
      this.#options.revoke(csn, errors);
      return true;
    }
    try {
      // It would be the only one.
      if (!(await this.#options.primaryAnswers())) return false;
      await this.#options.takeOut(csn, errors);
      return true;
    } catch (error) {
      for (const id of errors.keys())
        world.raise({
          type: 'member-unfit',
          member: id,
          reason: `could not be taken out: ${messageOf(error)}`,
        });
      return false;
    }
  }
}

function alone(id: string, { blame, message, sqlState }: MemberError): MemberError {
  return new MemberError(id, failsAlone(blame) ? 'diverged' : 'unfit', message, sqlState);
}
