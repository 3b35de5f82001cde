/** A transaction as its session remembers it: where it runs, and what was run, so that it can be run again elsewhere. */

import type { Answer, SessionLink } from '../../dialects/contract.ts';
import type { BeginOptions, SessionLimits, Work } from './work.ts';

export class Transaction {
  /** How it begins, or has begun. */
  options: BeginOptions;
  /** None before the first statement. */
  link: SessionLink | undefined;
  wrote = false;
  /** All of it belongs to the primary, though it only reads. */
  atPrimary = false;
  /** It cannot be told how much it changes. */
  unknownSize = false;
  /** How long its statements have taken, on whichever member it is. */
  ranMs = 0;
  /** How long its schema statements have taken on the primary; undefined while there is none. */
  schemaMs: number | undefined;
  /** Why it cannot be run again. */
  unrepeatable: string | undefined;
  /** Lost for good: the client has been told, and has not yet ended it. */
  failed = false;
  #log: { readonly work: Work; readonly digest: number }[] = [];
  #bytes = 0;
  #rows = 0;

  constructor(options: BeginOptions) {
    this.options = options;
  }

  /** Of the requests, not of what they change. */
  get bytes(): number {
    return this.#bytes;
  }

  get rows(): number {
    return this.#rows;
  }

  /** What was run, with a digest of each answer. Empty once it cannot be run again. */
  get log(): readonly { readonly work: Work; readonly digest: number }[] {
    return this.#log;
  }

  record(work: Work, answer: Answer, { replayBytes, replayStatements }: SessionLimits): void {
    this.#rows += answer.rows;
    this.#bytes += work.bytes;
    this.unknownSize ||= work.unknownSize === true;
    if (work.takesInput) this.unrepeatable = 'it took in data that is not kept';
    else if (this.#bytes > replayBytes || this.#log.length >= replayStatements)
      this.unrepeatable = 'it is too long to be run again';
    if (this.unrepeatable === undefined) this.#log.push({ work, digest: answer.digest });
    else this.#log = [];
  }
}
