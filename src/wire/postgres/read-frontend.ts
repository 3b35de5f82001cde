/**
 * Reads what a client sends. Each function takes a whole frame, header included, of the kind in its name. Byte results
 * are slices of it.
 */

import { FrameReader } from './frame-reader.ts';
import type { ObjectKind } from './message-types.ts';

/** The SQL, in the client's encoding. */
export function readQuery(frame: Buffer): Buffer {
  const reader = new FrameReader(frame, 'Query');
  const sql = reader.textBytes();
  reader.end();
  return sql;
}

export interface ParseFields {
  readonly name: string;
  /** In the client's encoding. */
  readonly query: Buffer;
  /** Where in the frame the type OIDs stand, four bytes each, and how many. */
  readonly parameterTypesOffset: number;
  readonly parameterTypesCount: number;
}

export function readParse(frame: Buffer): ParseFields {
  const reader = new FrameReader(frame, 'Parse');
  const name = reader.name();
  const query = reader.textBytes();
  const parameterTypesCount = reader.count();
  const parameterTypesOffset = reader.at;
  reader.skip(4 * parameterTypesCount);
  reader.end();
  return { name, query, parameterTypesOffset, parameterTypesCount };
}

export interface BindNames {
  readonly portal: string;
  readonly statement: string;
  /** Where in the frame the formats and values begin, which are left to the server. */
  readonly valuesOffset: number;
}

/** Needs no more than the beginning of the frame, so it also reads the head of a large message. */
export function readBindNames(frame: Buffer): BindNames {
  const reader = new FrameReader(frame, 'Bind');
  return { portal: reader.name(), statement: reader.name(), valuesOffset: reader.at };
}

export interface BindFields {
  /** Undefined: in text. */
  readonly binaryValues: readonly (Buffer | undefined)[];
  /** Some of the result is wanted in binary. */
  readonly binaryResults: boolean;
}

export function readBindFormats(frame: Buffer, { valuesOffset } = readBindNames(frame)): BindFields {
  const reader = new FrameReader(frame, 'Bind');
  reader.skip(valuesOffset - reader.at);
  const formats: number[] = [];
  for (let left = reader.count(); left > 0; left--) formats.push(reader.int16());
  const binaryValues: (Buffer | undefined)[] = [];
  const count = reader.count();
  for (let i = 0; i < count; i++) {
    const value = reader.value();
    const format = formats.length === 1 ? formats[0] : formats[i];
    binaryValues.push(value !== null && format === 1 ? value : undefined);
  }
  let binaryResults = false;
  for (let left = reader.count(); left > 0; left--) if (reader.int16() === 1) binaryResults = true;
  reader.end();
  return { binaryValues, binaryResults };
}

export interface ObjectName {
  readonly kind: ObjectKind;
  readonly name: string;
}

export function readDescribe(frame: Buffer): ObjectName {
  return readObjectName(new FrameReader(frame, 'Describe'));
}

export function readClose(frame: Buffer): ObjectName {
  return readObjectName(new FrameReader(frame, 'Close'));
}

export interface ExecuteFields {
  readonly portal: string;
  /** 0 or less asks for all. */
  readonly maxRows: number;
}

export function readExecute(frame: Buffer): ExecuteFields {
  const reader = new FrameReader(frame, 'Execute');
  const fields = { portal: reader.name(), maxRows: reader.int32() };
  reader.end();
  return fields;
}

/** A password in the clear, or an md5 answer. */
export function readPassword(frame: Buffer): string {
  const reader = new FrameReader(frame, 'Password');
  const password = reader.text();
  reader.end();
  return password;
}

export function readSaslInitialResponse(frame: Buffer): { mechanism: string; data: Buffer } {
  const reader = new FrameReader(frame, 'SASLInitialResponse');
  const mechanism = reader.text();
  // A client may leave its first message out (-1). SCRAM's begins with the client, so that is as good as empty.
  const data = reader.value() ?? Buffer.alloc(0);
  reader.end();
  return { mechanism, data };
}

export function readSaslResponse(frame: Buffer): Buffer {
  return new FrameReader(frame, 'SASLResponse').rest();
}

function readObjectName(reader: FrameReader): ObjectName {
  const kind = reader.byte();
  if (kind !== 0x53 && kind !== 0x50) throw reader.fail('it is about neither a statement nor a portal');
  const name = reader.name();
  reader.end();
  return { kind: kind === 0x53 ? 'statement' : 'portal', name };
}
