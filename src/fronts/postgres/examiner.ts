/**
 * Texts that would hold up everybody else while the grammar is at work are examined in a thread of their own, one after the other,
 * each with a deadline. The thread asks for the names that it meets, and judges again with the answers.
 */

import { Worker } from 'node:worker_threads';
import { answerOf } from '../../sql/index.ts';
import type { Answer, Answers, Asked, FunctionCatalog, SessionReading, Statement } from '../../sql/index.ts';

export const examinedBytesMax = 16 << 20;
/** The grammar takes about a kilobyte of memory for each. */
export const examinedTokensMax = 500_000;

export interface Question {
  readonly text: Uint8Array;
  readonly reading: SessionReading;
  readonly answers: Answers;
}

export type Reply =
  | { readonly statements: readonly Statement[] }
  | { readonly asked: ReadonlyMap<string, Asked> };

/** For each round. */
const usualDeadlineMs = 10_000;
/** A thread that nobody needs any more gives its memory back. */
const idleMs = 10_000;
/** They are looked up in one go. */
const namesMax = 10_000;
/** Each round finds names behind those of the one before: the catalog has answered in full by then, or the text is not meant to end. */
const roundsMax = 20;

/** Beside this file where it is built; the tests, which run the sources, take it from what is built. */
const program = new URL(
  import.meta.url.endsWith('.ts')
    ? '../../../dist/fronts/postgres/examine-in-worker.js'
    : './examine-in-worker.js',
  import.meta.url,
);

export class Examiner {
  readonly #deadlineMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ deadlineMs = usualDeadlineMs } = {}) {
    this.#deadlineMs = deadlineMs;
  }

  /** Undefined: it could not be examined in time, in the memory there is, or with the names in it. */
  readonly examine = async (
    text: Buffer,
    catalog: FunctionCatalog,
    reading: SessionReading,
  ): Promise<readonly Statement[] | undefined> => {
    const mine = this.#last.then(() => this.#examine(text, catalog, reading));
    this.#last = mine;
    return await mine;
  };

  async #examine(
    text: Buffer,
    catalog: FunctionCatalog,
    reading: SessionReading,
  ): Promise<readonly Statement[] | undefined> {
    clearTimeout(this.#idle);
    const byName = new Map<string, Answer>();
    let { version } = catalog;
    try {
      for (let round = 0; round < roundsMax; round++) {
        const { settings, everywhere } = catalog;
        const reply = await this.#ask({ text, reading, answers: { settings, everywhere, byName } });
        if (reply === undefined) return undefined;
        const changed = catalog.version !== version;
        if ('statements' in reply && !changed) return reply.statements;
        if (changed) byName.clear();
        version = catalog.version;
        if ('statements' in reply) continue;
        if (byName.size + reply.asked.size > namesMax) return undefined;
        for (const [key, asked] of reply.asked) byName.set(key, answerOf(catalog, asked));
      }
      return undefined;
    } finally {
      this.#idle = setTimeout(() => this.#end(), idleMs);
      this.#idle.unref();
    }
  }

  #ask(question: Question): Promise<Reply | undefined> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve) => {
      const done = (reply?: Reply): void => {
        clearTimeout(late);
        worker.off('message', done).off('exit', fails);
        if (reply === undefined) this.#end();
        resolve(reply);
      };
      const fails = (): void => done();
      const late = setTimeout(fails, this.#deadlineMs);
      worker.on('message', done).on('exit', fails);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(question);
    });
  }

  /** It keeps no process running. One that has failed has ended. */
  #start(): Worker {
    const worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: 1024 } });
    worker.unref();
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }

  #end(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}
