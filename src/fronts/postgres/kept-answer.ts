/** An answer that is looked at before the client has it, if ever. */

import type { AnswerSink } from '../../dialects/contract.ts';
import { Backend, HEADER_BYTES, readDataRow, readErrorFields } from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';

export class KeptAnswer implements AnswerSink {
  readonly passedOn = false;
  readonly #notices: AnswerSink | undefined;
  readonly #bytes: Buffer[] = [];

  /** Notices are passed on. */
  constructor(notices?: AnswerSink) {
    this.#notices = notices;
  }

  write(bytes: Buffer): boolean {
    return this.#bytes.push(Buffer.from(bytes)) > 0;
  }

  notice(bytes: Buffer): boolean {
    return this.#notices?.write(bytes) ?? true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  inputWanted(): void {}

  get bytes(): Buffer {
    return Buffer.concat(this.#bytes);
  }

  /** The first row, each value with one character for each byte. */
  get row(): readonly (string | undefined)[] | undefined {
    const frame = this.#frame(Backend.DataRow);
    return frame && readDataRow(frame).map((value) => value?.toString('latin1'));
  }

  get error(): ErrorFields | undefined {
    const frame = this.#frame(Backend.ErrorResponse);
    return frame && readErrorFields(frame);
  }

  #frame(type: number): Buffer | undefined {
    const { bytes } = this;
    for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (bytes[at] === type) return bytes.subarray(at, end);
      at = end;
    }
    return undefined;
  }
}
