/**
 * Builds what a server sends. The messages without content are constants: they must not be written to.
 */

import { ERROR_FIELD_LETTERS } from './error-fields.ts';
import type { ErrorFields } from './error-fields.ts';
import {
  checkCount,
  constantFrame,
  finishFrame,
  putText,
  putUInt32s,
  putValues,
  startFrame,
  textBytes,
  valuesBytes,
} from './frame-writer.ts';
import type { Value } from './frame-writer.ts';
import { Backend, HEADER_BYTES, TransactionStatus } from './message-types.ts';
import type { TransactionStatusByte } from './message-types.ts';

export { copyData, copyDone } from './copy-messages.ts';

export const authenticationOk: Buffer = constantFrame(Backend.Authentication, [0, 0, 0, 0]);
export const authenticationCleartextPassword: Buffer = constantFrame(Backend.Authentication, [0, 0, 0, 3]);
export const parseComplete: Buffer = constantFrame(Backend.ParseComplete);
export const bindComplete: Buffer = constantFrame(Backend.BindComplete);
export const closeComplete: Buffer = constantFrame(Backend.CloseComplete);
export const noData: Buffer = constantFrame(Backend.NoData);
export const emptyQueryResponse: Buffer = constantFrame(Backend.EmptyQueryResponse);
export const portalSuspended: Buffer = constantFrame(Backend.PortalSuspended);

const READY: Readonly<Record<TransactionStatusByte, Buffer>> = {
  [TransactionStatus.Idle]: constantFrame(Backend.ReadyForQuery, [TransactionStatus.Idle]),
  [TransactionStatus.Open]: constantFrame(Backend.ReadyForQuery, [TransactionStatus.Open]),
  [TransactionStatus.Failed]: constantFrame(Backend.ReadyForQuery, [TransactionStatus.Failed]),
};

export function readyForQuery(status: TransactionStatusByte): Buffer {
  return READY[status];
}

export function authenticationMd5Password(salt: Buffer): Buffer {
  return authentication(5, salt);
}

export function authenticationSasl(mechanisms: readonly string[]): Buffer {
  for (const mechanism of mechanisms) textBytes(mechanism);
  return authentication(10, Buffer.from(mechanisms.map((mechanism) => `${mechanism}\0`).join('') + '\0'));
}

export function authenticationSaslContinue(data: Buffer): Buffer {
  return authentication(11, data);
}

export function authenticationSaslFinal(data: Buffer): Buffer {
  return authentication(12, data);
}

export function parameterStatus(name: string, value: string): Buffer {
  const frame = startFrame(Backend.ParameterStatus, textBytes(name) + textBytes(value));
  return finishFrame(frame, putText(frame, putText(frame, HEADER_BYTES, name), value));
}

export function backendKeyData(pid: number, key: Buffer): Buffer {
  const frame = startFrame(Backend.BackendKeyData, 4 + key.length);
  const at = frame.writeUInt32BE(pid >>> 0, HEADER_BYTES);
  return finishFrame(frame, at + key.copy(frame, at));
}

/** Answers a start-up message that asks for a newer minor version or for `_pq_.` options that are not known here. */
export function negotiateProtocolVersion(minor: number, unknownOptions: readonly string[]): Buffer {
  let bytes = 8;
  for (const option of unknownOptions) bytes += textBytes(option);
  const frame = startFrame(Backend.NegotiateProtocolVersion, bytes);
  // PostgreSQL sends the whole version here, whatever its documentation says about "minor".
  let at = frame.writeUInt32BE(0x30000 + minor, HEADER_BYTES);
  at = frame.writeUInt32BE(unknownOptions.length, at);
  for (const option of unknownOptions) at = putText(frame, at, option);
  return finishFrame(frame, at);
}

export function errorResponse(fields: ErrorFields): Buffer {
  return fieldsMessage(Backend.ErrorResponse, fields);
}

export function noticeResponse(fields: ErrorFields): Buffer {
  return fieldsMessage(Backend.NoticeResponse, fields);
}

export function commandComplete(tag: string): Buffer {
  const frame = startFrame(Backend.CommandComplete, textBytes(tag));
  return finishFrame(frame, putText(frame, HEADER_BYTES, tag));
}

export interface ColumnDescription {
  readonly name: string;
  readonly typeOid: number;
  readonly tableOid?: number;
  readonly columnNumber?: number;
  /** Bytes, or -1 for a varying size. */
  readonly typeSize?: number;
  readonly typeModifier?: number;
  /** 0 is text, 1 is binary. */
  readonly format?: 0 | 1;
}

export function rowDescription(columns: readonly ColumnDescription[]): Buffer {
  checkCount('columns', columns.length);
  let bytes = 2;
  for (const column of columns) bytes += textBytes(column.name) + 18;
  const frame = startFrame(Backend.RowDescription, bytes);
  let at = frame.writeUInt16BE(columns.length, HEADER_BYTES);
  for (const column of columns) {
    at = putText(frame, at, column.name);
    at = frame.writeUInt32BE(column.tableOid ?? 0, at);
    at = frame.writeInt16BE(column.columnNumber ?? 0, at);
    at = frame.writeUInt32BE(column.typeOid, at);
    at = frame.writeInt16BE(column.typeSize ?? -1, at);
    at = frame.writeInt32BE(column.typeModifier ?? -1, at);
    at = frame.writeInt16BE(column.format ?? 0, at);
  }
  return finishFrame(frame, at);
}

export function dataRow(values: readonly Value[]): Buffer {
  checkCount('columns', values.length);
  const frame = startFrame(Backend.DataRow, 2 + valuesBytes(values));
  return finishFrame(frame, putValues(frame, frame.writeUInt16BE(values.length, HEADER_BYTES), values));
}

export function parameterDescription(typeOids: readonly number[]): Buffer {
  checkCount('parameters', typeOids.length);
  const frame = startFrame(Backend.ParameterDescription, 2 + 4 * typeOids.length);
  return finishFrame(frame, putUInt32s(frame, frame.writeUInt16BE(typeOids.length, HEADER_BYTES), typeOids));
}

export function notificationResponse(message: { pid: number; channel: string; payload: string }): Buffer {
  const { pid, channel, payload } = message;
  const frame = startFrame(Backend.NotificationResponse, 4 + textBytes(channel) + textBytes(payload));
  const at = frame.writeUInt32BE(pid >>> 0, HEADER_BYTES);
  return finishFrame(frame, putText(frame, putText(frame, at, channel), payload));
}

function authentication(code: number, data: Buffer): Buffer {
  const frame = startFrame(Backend.Authentication, 4 + data.length);
  const at = frame.writeInt32BE(code, HEADER_BYTES);
  return finishFrame(frame, at + data.copy(frame, at));
}

function fieldsMessage(type: number, fields: ErrorFields): Buffer {
  const present: [letter: string, text: string][] = [];
  let bytes = 1;
  for (const [name, letter] of Object.entries(ERROR_FIELD_LETTERS)) {
    const text = fields[name as keyof ErrorFields];
    if (text === undefined) continue;
    present.push([letter, text]);
    bytes += 1 + textBytes(text);
  }
  const frame = startFrame(type, bytes);
  let at = HEADER_BYTES;
  for (const [letter, text] of present) {
    frame[at] = letter.charCodeAt(0);
    at = putText(frame, at + 1, text);
  }
  frame[at] = 0;
  return finishFrame(frame, at + 1);
}
