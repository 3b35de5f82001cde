/** What all replicas have been given to try, and what follows from their answers. */

import type { MemberError, TrialAnswer, WriteSet } from '../../dialects/contract.ts';
import type { ApplyStream } from './apply-stream.ts';

/** What the replicas may be behind when a schema statement is to be tried. One that is further behind is not waited for. */
const catchUpMs = 250;
const startMs = 1000;
/** A replica may be as much slower than the primary. */
const timesSlower = 3;

export interface TrialBounds {
  /** Behind this the record will be. */
  readonly afterCsn: number;
  /** How long the primary took. */
  readonly primaryMs: number;
}

export class Trial {
  /** Of those for whose sake it must not be committed. */
  readonly refusals: readonly MemberError[];
  /** Those that hold it. Another may still hold the trial before, of which this one's place would make its own. */
  readonly #streams: readonly ApplyStream[];
  readonly #payload: Buffer | undefined;

  private constructor(
    streams: readonly ApplyStream[],
    payload: Buffer | undefined,
    answers: readonly TrialAnswer[],
  ) {
    this.#streams = streams.filter((_, i) => answers[i]?.kind === 'held');
    this.#payload = payload;
    this.refusals = refusalsOf(answers);
  }

  /** On all of them side by side; each is waited for no longer than its bounds allow. */
  static async run(
    streams: readonly ApplyStream[],
    writeSet: WriteSet,
    { afterCsn, primaryMs }: TrialBounds,
  ): Promise<Trial> {
    const allowedMs = startMs + timesSlower * primaryMs;
    const answers = await Promise.all(
      streams.map((stream) => stream.tryOut(writeSet, { afterCsn, catchUpMs, allowedMs })),
    );
    return new Trial(streams, wholeOf(writeSet), answers);
  }

  /** The record has its place, and will come there or pass it. */
  place(csn: number): void {
    for (const stream of this.#streams) stream.placeTrial(csn);
  }

  /** Something else than what was tried is going to be the record. */
  drop(): void {
    for (const stream of this.#streams) stream.dropTrial();
  }

  isOf(writeSet: WriteSet | null): boolean {
    const whole = writeSet === null ? undefined : wholeOf(writeSet);
    return whole !== undefined && this.#payload?.equals(whole) === true;
  }
}

/** One that lacks what the statement needs is enough. Where its contents are others than theirs, who can do it is right. */
export function refusalsOf(answers: readonly TrialAnswer[]): readonly MemberError[] {
  const held = answers.some(({ kind }) => kind === 'held');
  return answers.flatMap((answer) =>
    answer.kind === 'lacks' || (answer.kind === 'differs' && !held) ? [answer.error] : [],
  );
}

/** Undefined: it does not lie in memory. */
function wholeOf(writeSet: WriteSet): Buffer | undefined {
  const parts = writeSet.parts();
  return Symbol.iterator in parts ? Buffer.concat([...parts]) : undefined;
}
