/**
 * Builds what a client sends. The messages without content are constants: they must not be written to.
 */

import {
  checkCount,
  constantFrame,
  finishFrame,
  nameBytes,
  putInt16s,
  putName,
  putText,
  putUInt32s,
  putValues,
  startFrame,
  textBytes,
  valuesBytes,
} from './frame-writer.ts';
import type { Value } from './frame-writer.ts';
import { Frontend, HEADER_BYTES } from './message-types.ts';
import type { ObjectKind } from './message-types.ts';

export { copyData, copyDone } from './copy-messages.ts';

export const sync: Buffer = constantFrame(Frontend.Sync);
export const flush: Buffer = constantFrame(Frontend.Flush);
export const terminate: Buffer = constantFrame(Frontend.Terminate);

/** SQL as text is sent as UTF-8; SQL in the client's own encoding is given as bytes. */
export function query(sql: string | Buffer): Buffer {
  return oneText(Frontend.Query, sql);
}

export interface ParseMessage {
  /** Absent: the unnamed statement. */
  readonly name?: string;
  readonly query: string | Buffer;
  /** Type OIDs; 0 leaves the type to the server. */
  readonly parameterTypes?: readonly number[];
}

export function parse(message: ParseMessage): Buffer {
  const { name = '', query: sql, parameterTypes = [] } = message;
  checkCount('parameter types', parameterTypes.length);
  const frame = startFrame(Frontend.Parse, nameBytes(name) + textBytes(sql) + 2 + 4 * parameterTypes.length);
  let at = putName(frame, HEADER_BYTES, name);
  at = putText(frame, at, sql);
  at = frame.writeUInt16BE(parameterTypes.length, at);
  return finishFrame(frame, putUInt32s(frame, at, parameterTypes));
}

/** 0 is text, 1 is binary. */
export type Format = 0 | 1;

export interface BindMessage {
  readonly portal?: string;
  readonly statement?: string;
  readonly values: readonly Value[];
  /** One per value, or one for all, or none: all text. */
  readonly formats?: readonly Format[];
  /** One per column, or one for all, or none: all text. */
  readonly resultFormats?: readonly Format[];
}

export function bind(message: BindMessage): Buffer {
  const { portal = '', statement = '', values, formats = [], resultFormats = [] } = message;
  checkCount('parameters', values.length);
  checkCount('parameter formats', formats.length);
  checkCount('result formats', resultFormats.length);
  const bytes =
    nameBytes(portal) +
    nameBytes(statement) +
    (2 + 2 * formats.length) +
    (2 + valuesBytes(values)) +
    (2 + 2 * resultFormats.length);
  const frame = startFrame(Frontend.Bind, bytes);
  let at = putName(frame, HEADER_BYTES, portal);
  at = putName(frame, at, statement);
  at = putInt16s(frame, frame.writeUInt16BE(formats.length, at), formats);
  at = putValues(frame, frame.writeUInt16BE(values.length, at), values);
  return finishFrame(frame, putInt16s(frame, frame.writeUInt16BE(resultFormats.length, at), resultFormats));
}

export function describe(kind: ObjectKind, name = ''): Buffer {
  return kindAndName(Frontend.Describe, kind, name);
}

export function close(kind: ObjectKind, name = ''): Buffer {
  return kindAndName(Frontend.Close, kind, name);
}

/** `maxRows` 0 asks for all. */
export function execute(portal = '', maxRows = 0): Buffer {
  const frame = startFrame(Frontend.Execute, nameBytes(portal) + 4);
  return finishFrame(frame, frame.writeInt32BE(maxRows, putName(frame, HEADER_BYTES, portal)));
}

export interface FunctionCallMessage {
  /** The function's OID. */
  readonly oid: number;
  /** In text. */
  readonly values: readonly Value[];
}

/** Calls one function, with the result in binary. It is answered with ReadyForQuery, like a simple query. */
export function functionCall({ oid, values }: FunctionCallMessage): Buffer {
  checkCount('parameters', values.length);
  const frame = startFrame(Frontend.FunctionCall, 4 + 2 + (2 + valuesBytes(values)) + 2);
  let at = frame.writeUInt32BE(oid, HEADER_BYTES);
  at = frame.writeUInt16BE(0, at);
  at = putValues(frame, frame.writeUInt16BE(values.length, at), values);
  return finishFrame(frame, frame.writeUInt16BE(1, at));
}

export function copyFail(reason: string): Buffer {
  return oneText(Frontend.CopyFail, reason);
}

/** A password in the clear, or what `md5Password` made of it. */
export function password(text: string | Buffer): Buffer {
  return oneText(Frontend.Password, text);
}

export function saslInitialResponse(mechanism: string, data: Buffer): Buffer {
  const frame = startFrame(Frontend.Password, textBytes(mechanism) + 4 + data.length);
  const at = frame.writeInt32BE(data.length, putText(frame, HEADER_BYTES, mechanism));
  return finishFrame(frame, at + data.copy(frame, at));
}

export function saslResponse(data: Buffer): Buffer {
  const frame = startFrame(Frontend.Password, data.length);
  data.copy(frame, HEADER_BYTES);
  return frame;
}

function oneText(type: number, text: string | Buffer): Buffer {
  const frame = startFrame(type, textBytes(text));
  return finishFrame(frame, putText(frame, HEADER_BYTES, text));
}

function kindAndName(type: number, kind: ObjectKind, name: string): Buffer {
  const frame = startFrame(type, 1 + nameBytes(name));
  frame[HEADER_BYTES] = kind === 'statement' ? 0x53 : 0x50;
  return finishFrame(frame, putName(frame, HEADER_BYTES + 1, name));
}
