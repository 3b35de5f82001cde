import type { WriteSet } from '../../dialects/contract.ts';

/** A number or, for lists, the items one after another with a comma behind each. */
export type Value = number | string;

export interface Change {
  readonly key: string;
  readonly old: Value | null;
  readonly value: Value;
}

/** Who counts write sets, and hears when one is used wrongly. */
export interface WriteSetWatch {
  released(): void;
  misused(what: string): void;
}

export class SimWriteSet implements WriteSet {
  readonly bytes: number;
  readonly #payload: string;
  readonly #watch: WriteSetWatch | undefined;
  #released = false;

  constructor(payload: string, watch?: WriteSetWatch) {
    this.#payload = payload;
    this.#watch = watch;
    this.bytes = payload.length;
  }

  parts(): Iterable<Buffer> {
    if (this.#released) this.#watch?.misused('a write set was read after it had been released');
    return [Buffer.from(this.#payload)];
  }

  release(): void {
    if (this.#released) this.#watch?.misused('a write set was released twice');
    else this.#watch?.released();
    this.#released = true;
  }
}

export async function payloadOf(writeSet: WriteSet): Promise<string> {
  let payload = '';
  for await (const part of writeSet.parts()) payload += part.toString();
  return payload;
}
