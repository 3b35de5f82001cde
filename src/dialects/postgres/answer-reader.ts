/**
 * One answer on its way from a member to its client: slices of what was read, joined where they are neighbours, with a
 * digest of what the client sees. An answer that is not this member's to give is given up before any of it has left.
 */

import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import {
  Backend,
  backend,
  HEADER_BYTES,
  readParameterDescription,
  readRowCount,
  tableOidOffsets,
} from '../../wire/postgres/index.ts';
import type { ErrorFields } from '../../wire/postgres/index.ts';
import type { Answer, AnswerSink, RunOptions } from '../contract.ts';
import { hintFor } from './errors.ts';
import { withoutOwnTriggers } from './explained-rows.ts';
import { Descriptions, firstUserOid, isRecord } from './statement-shape.ts';

/** Neighbouring slices of one chunk. */
interface Slices {
  readonly chunk: Buffer;
  readonly start: number;
  end: number;
}

export class AnswerReader {
  /** What the client is told instead of the next error, which only follows from it. */
  errorInstead: ErrorFields | undefined;
  readonly #sink: AnswerSink;
  readonly #mayBeUnsuitable: RunOptions['mayBeUnsuitable'];
  readonly #textBefore: Buffer | undefined;
  readonly #tableOid: (oid: number) => number;
  readonly #slow: (fetched: Promise<void>) => void;
  /** What it says of Lockstep's own triggers is left out. */
  explains = false;
  #descriptions: Descriptions | undefined;
  #pending: Slices | undefined;
  #digest = 0;
  #rows = 0;
  #unsuitable: Answer['unsuitable'];
  /** Of own types, that the client was told. */
  #numbers: Set<number> | undefined;

  /**
   * `tableOid`: the member's number of a table → the primary's. `slow`: the client has not fetched what it was sent; no
   * more should be read until it has.
   */
  constructor(
    sink: AnswerSink,
    mayBeUnsuitable: RunOptions['mayBeUnsuitable'],
    textBefore: Buffer | undefined,
    tableOid: (oid: number) => number,
    slow: (fetched: Promise<void>) => void,
  ) {
    this.#sink = sink;
    this.#mayBeUnsuitable = mayBeUnsuitable;
    this.#textBefore = textBefore;
    this.#tableOid = tableOid;
    this.#slow = slow;
  }

  /** What was asked to be described, by whoever asks. */
  get descriptions(): Descriptions {
    return (this.#descriptions ??= new Descriptions());
  }

  /** What comes is passed over. */
  get givenUp(): boolean {
    return this.#unsuitable !== undefined;
  }

  /** Whoever only reads sends no data. */
  get mayTakeInput(): boolean {
    return this.#mayBeUnsuitable === 'no';
  }

  /** DataRow or CopyData messages, whole ones. */
  rows(frames: Buffer): void {
    if (this.#unsuitable !== undefined) return;
    if (this.#repeatable) this.#digest = crc32(frames, this.#digest);
    this.forward(this.explains ? withoutOwnTriggers(frames) : frames);
  }

  message(type: number, frame: Buffer): void {
    if (this.#unsuitable !== undefined) return;
    switch (type) {
      case Backend.CommandComplete: {
        if (this.#repeatable) this.#digest = crc32(frame, this.#digest);
        this.#rows += readRowCount(frame);
        if (this.#sink.passedOn && this.#sink.completing !== undefined) {
          this.flush();
          this.#sink.completing();
        }
        break;
      }
      case Backend.NoData:
        this.#descriptions?.columns(undefined);
        break;
      case Backend.RowDescription:
        this.#descriptions?.columns(frame);
        if (!this.#columns(frame)) return;
        break;
      case Backend.ParameterDescription:
        this.#descriptions?.parameters(frame);
        for (const oid of readParameterDescription(frame).typeOids)
          if (oid >= firstUserOid) (this.#numbers ??= new Set()).add(oid);
        if (this.#numbers !== undefined && this.#numbersMatter) return this.#giveUp('member-specific');
        break;
      case Backend.CopyOutResponse:
        // What is in it is not said, and arrays and records may be.
        if (frame[HEADER_BYTES] === 1 && this.#numbersMatter) return this.#giveUp('member-specific');
        break;
      case Backend.NoticeResponse:
        this.flush();
        this.#told(this.#sink.notice === undefined ? this.#sink.write(frame) : this.#sink.notice(frame));
        return;
      case Backend.CopyInResponse:
        this.forward(frame);
        this.flush();
        this.#sink.inputWanted();
        return;
      default:
    }
    this.forward(frame);
  }

  error(heard: Buffer, fields: ErrorFields): void {
    if (this.#unsuitable !== undefined) return;
    if (!this.#repeatable && !this.#sink.passedOn && fields.code === '25006') {
      this.#giveUp('writes');
      return;
    }
    this.#digest = crc32(fields.code, this.#digest);
    const hint = fields.hint === undefined ? hintFor(fields) : undefined;
    const position = this.#positionIn(fields);
    const asHeard = this.errorInstead === undefined && hint === undefined && position === undefined;
    const changed = { ...(hint !== undefined && { hint }), ...(position !== undefined && { position }) };
    this.forward(asHeard ? heard : backend.errorResponse({ ...fields, ...changed }));
  }

  forward(frame: Buffer): void {
    const start = frame.byteOffset;
    const end = start + frame.length;
    const pending = this.#pending;
    if (pending !== undefined && pending.chunk.buffer === frame.buffer && pending.end === start) {
      pending.end = end;
      return;
    }
    this.flush();
    this.#pending = { chunk: frame, start, end };
  }

  /** Sends what was joined. To be called at the end of each chunk and before anything that must not overtake it. */
  flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { chunk, start, end } = pending;
    const slice = start === 0 && end === chunk.length ? chunk : Buffer.from(chunk.buffer, start, end - start);
    this.#told(this.#sink.write(slice));
  }

  #told(ready: boolean): void {
    if (!ready) this.#slow(this.#sink.drained());
  }

  result(failed: boolean, sqlState: string | undefined): Answer {
    const answer = { failed, sqlState, digest: this.#digest, rows: this.#rows, unsuitable: this.#unsuitable };
    return this.#numbers === undefined ? answer : { ...answer, numbers: this.#numbers };
  }

  /** In a transaction: it may have to be given once more by somebody else, and the same. */
  get #repeatable(): boolean {
    return this.#mayBeUnsuitable === 'no' || this.#mayBeUnsuitable === 'numbers';
  }

  /** Whether the answer may not speak of objects by numbers of this member. */
  get #numbersMatter(): boolean {
    return (this.#mayBeUnsuitable === 'any' || this.#mayBeUnsuitable === 'numbers') && !this.#sink.passedOn;
  }

  /** Gives the columns the primary's table numbers. False: a type known by this member's number only, so it is given up. */
  #columns(frame: Buffer): boolean {
    const matter = this.#numbersMatter;
    for (const offset of tableOidOffsets(frame)) {
      const typeOid = frame.readUInt32BE(offset + 6);
      const binary = frame.readUInt16BE(offset + 16) === 1;
      if (typeOid >= firstUserOid) (this.#numbers ??= new Set()).add(typeOid);
      if (!matter) continue;
      if (typeOid >= firstUserOid || (binary && isRecord(typeOid))) {
        this.#giveUp('member-specific');
        return false;
      }
      const tableOid = frame.readUInt32BE(offset);
      if (tableOid >= firstUserOid) frame.writeUInt32BE(this.#tableOid(tableOid), offset);
    }
    return true;
  }

  #giveUp(why: Answer['unsuitable']): void {
    this.#pending = undefined;
    this.#unsuitable = why;
  }

  /** In the client's whole text, where the member was given a part of it. */
  #positionIn({ position }: ErrorFields): string | undefined {
    if (position === undefined || this.#textBefore === undefined) return undefined;
    return String(Number(position) + charactersIn(this.#textBefore));
  }
}

/** As the server counts them, where each byte is one or the text is UTF-8. */
function charactersIn(text: Buffer): number {
  if (!isUtf8(text)) return text.length;
  let characters = 0;
  for (const byte of text) if ((byte & 0xc0) !== 0x80) characters += 1;
  return characters;
}
