/** Asks somebody at a terminal, one question after the other, until the answer will do. */
import { createInterface } from 'node:readline/promises';
import type { Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { LockstepError } from '../base/index.ts';
import type { CliIo } from './cli-io.ts';

export interface Question {
  readonly text: string;
  /** What an empty answer means. */
  readonly fallback?: string;
  /** What is wrong with an answer; undefined: it will do. */
  readonly fault?: (answer: string) => string | undefined;
  /** What is typed is not shown. */
  readonly hidden?: boolean;
}

export class Asker {
  readonly #io: CliIo;
  readonly #lines: Interface;
  readonly #gone: Promise<never>;
  #muted = false;

  constructor(io: CliIo) {
    this.#io = io;
    const output = new Writable({
      write: (chunk, _, done) => {
        if (!this.#muted) io.stdout.write(chunk);
        done();
      },
    });
    // A question that goes on in the next line is drawn again from its first one.
    Object.defineProperty(output, 'columns', { get: () => io.stdout.columns });
    this.#lines = createInterface({ input: io.stdin, output, terminal: io.stdout.isTTY === true });
    this.#gone = new Promise((_, reject) => {
      this.#lines.once('close', () => reject(cancelled()));
    });
    this.#gone.catch(() => undefined);
  }

  async ask({ text, fallback, fault, hidden }: Question): Promise<string> {
    const prompt = `${text}${fallback === undefined || fallback === '' ? '' : ` [${fallback}]`}: `;
    for (;;) {
      // The line editor draws its line anew from the first column: the question is part of that line, or is wiped.
      const answered = this.#lines.question(prompt);
      this.#muted = hidden === true;
      const typed = (await Promise.race([answered, this.#gone])).trim();
      if (hidden === true) this.#io.stdout.write('\n');
      this.#muted = false;
      const answer = typed === '' ? (fallback ?? '') : typed;
      const wrong = fault?.(answer);
      if (wrong === undefined) return answer;
      this.say(`  ${wrong}`);
    }
  }

  async confirm(text: string, fallback: boolean): Promise<boolean> {
    const answer = await this.ask({
      text: `${text} (${fallback ? 'Y/n' : 'y/N'})`,
      fault: (typed) => (/^(y|yes|n|no|)$/i.test(typed) ? undefined : 'answer y or n'),
    });
    return answer === '' ? fallback : /^y/i.test(answer);
  }

  say(text: string): void {
    this.#io.stdout.write(`${text}\n`);
  }

  close(): void {
    this.#lines.close();
  }
}

function cancelled(): LockstepError {
  return new LockstepError({ code: 'cli.cancelled', message: 'stopped; nothing is written' });
}
