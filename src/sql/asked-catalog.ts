/** A catalog of answers, for a thread that cannot ask the node's own: what it does not know is noted, and asked for by and by. */

import type { FunctionCatalog, Hidden, HiddenIn, Volatility } from './statement.ts';

/** What is asked of a name. `volatility`: of the functions that have it. */
export interface Asked {
  readonly what: HiddenIn | 'volatility';
  readonly schema: string | undefined;
  readonly name: string;
}

export type Answer = Hidden | Volatility | undefined;

/** Plain data, as it goes from thread to thread. */
export interface Answers {
  readonly settings: readonly string[];
  readonly everywhere: Hidden | undefined;
  readonly byName: ReadonlyMap<string, Answer>;
}

export class AskedCatalog implements FunctionCatalog {
  readonly version = 0;
  /** Without an answer yet. What was judged meanwhile is worth nothing. */
  readonly unanswered = new Map<string, Asked>();
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  get settings(): readonly string[] {
    return this.#answers.settings;
  }

  get everywhere(): Hidden | undefined {
    return this.#answers.everywhere;
  }

  hidden(what: HiddenIn, schema: string | undefined, name: string): Hidden | undefined {
    return this.#answer({ what, schema, name }) as Hidden | undefined;
  }

  volatility(schema: string | undefined, name: string): Volatility {
    return (this.#answer({ what: 'volatility', schema, name }) as Volatility | undefined) ?? 'unknown';
  }

  #answer(asked: Asked): Answer {
    const key = keyOf(asked);
    const answer = this.#answers.byName.get(key);
    if (answer === undefined && !this.#answers.byName.has(key)) this.unanswered.set(key, asked);
    return answer;
  }
}

export function answerOf(catalog: FunctionCatalog, { what, schema, name }: Asked): Answer {
  return what === 'volatility' ? catalog.volatility(schema, name) : catalog.hidden(what, schema, name);
}

function keyOf({ what, schema, name }: Asked): string {
  return JSON.stringify([what, schema ?? null, name]);
}
