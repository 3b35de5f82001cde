/**
 * Reads what a server sends. Each function takes a whole frame, header included, of the kind in its name. Byte results
 * are slices of it. Texts are taken for UTF-8; whoever has to pass them on unchanged passes on the frame.
 */

import { ERROR_FIELD_LETTERS } from './error-fields.ts';
import type { ErrorFields } from './error-fields.ts';
import { FrameReader } from './frame-reader.ts';
import {
  CANCEL_KEY_BYTES_MAX,
  CANCEL_KEY_BYTES_MIN,
  HEADER_BYTES,
  TransactionStatus,
} from './message-types.ts';
import type { TransactionStatusByte } from './message-types.ts';
import { malformed } from './wire-error.ts';

/** What a called function gave; null is NULL. */
export function readFunctionResult(frame: Buffer): Buffer | null {
  const reader = new FrameReader(frame, 'FunctionCallResponse');
  const bytes = reader.int32();
  const result = bytes < 0 ? null : reader.bytes(bytes);
  reader.end();
  return result;
}

export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext-password' }
  | { readonly kind: 'md5-password'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'sasl-final'; readonly data: Buffer }
  /** Kerberos, GSSAPI, SSPI: nothing that is spoken here. */
  | { readonly kind: 'unsupported'; readonly code: number };

export function readAuthentication(frame: Buffer): AuthenticationRequest {
  const reader = new FrameReader(frame, 'Authentication');
  const code = reader.int32();
  const request = readRequest(reader, code);
  if (request.kind !== 'unsupported') reader.end();
  return request;
}

function readRequest(reader: FrameReader, code: number): AuthenticationRequest {
  switch (code) {
    case 0:
      return { kind: 'ok' };
    case 3:
      return { kind: 'cleartext-password' };
    case 5:
      return { kind: 'md5-password', salt: reader.bytes(4) };
    case 10:
      return { kind: 'sasl', mechanisms: readMechanisms(reader) };
    case 11:
      return { kind: 'sasl-continue', data: reader.rest() };
    case 12:
      return { kind: 'sasl-final', data: reader.rest() };
    default:
      return { kind: 'unsupported', code };
  }
}

function readMechanisms(reader: FrameReader): string[] {
  const mechanisms: string[] = [];
  for (let mechanism = reader.text(); mechanism !== ''; mechanism = reader.text()) mechanisms.push(mechanism);
  return mechanisms;
}

export function readBackendKeyData(frame: Buffer): { pid: number; key: Buffer } {
  const reader = new FrameReader(frame, 'BackendKeyData');
  const pid = reader.uint32();
  // Copied: it lives as long as the connection, and a slice would keep the whole chunk.
  const key = Buffer.from(reader.rest());
  if (key.length < CANCEL_KEY_BYTES_MIN || key.length > CANCEL_KEY_BYTES_MAX) {
    throw reader.fail(`a key of ${key.length} bytes`);
  }
  return { pid, key };
}

export function readParameterStatus(frame: Buffer): { name: string; value: string } {
  const reader = new FrameReader(frame, 'ParameterStatus');
  const status = { name: reader.text(), value: reader.text() };
  reader.end();
  return status;
}

export function readReadyForQuery(frame: Buffer): TransactionStatusByte {
  const reader = new FrameReader(frame, 'ReadyForQuery');
  const status = reader.byte();
  reader.end();
  switch (status) {
    case TransactionStatus.Idle:
    case TransactionStatus.Open:
    case TransactionStatus.Failed:
      return status;
    default:
      throw reader.fail(`transaction status ${status}`);
  }
}

export function readNegotiateProtocolVersion(frame: Buffer): { minor: number; unknownOptions: string[] } {
  const reader = new FrameReader(frame, 'NegotiateProtocolVersion');
  const version = reader.uint32();
  const count = reader.uint32();
  const unknownOptions: string[] = [];
  // The count is only believed as far as there are texts: each takes a byte at least, or `text` throws.
  while (unknownOptions.length < count) unknownOptions.push(reader.text());
  reader.end();
  return { minor: version & 0xffff, unknownOptions };
}

const FIELD_BY_LETTER: ReadonlyMap<number, keyof ErrorFields> = new Map(
  Object.entries(ERROR_FIELD_LETTERS).map(([name, letter]) => [
    letter.charCodeAt(0),
    name as keyof ErrorFields,
  ]),
);

/** Of an ErrorResponse or a NoticeResponse. Fields with letters unknown here are passed over, as the protocol asks. */
export function readErrorFields(frame: Buffer): ErrorFields {
  const reader = new FrameReader(frame, 'ErrorResponse');
  const fields: Partial<Record<keyof ErrorFields, string>> = {};
  for (let letter = reader.byte(); letter !== 0; letter = reader.byte()) {
    const name = FIELD_BY_LETTER.get(letter);
    const text = reader.textBytes();
    if (name !== undefined) fields[name] = text.toString('utf8');
  }
  reader.end();
  const { severity, code, message } = fields;
  if (severity === undefined || code === undefined || message === undefined) {
    throw reader.fail('severity, code or message is missing');
  }
  return { ...fields, severity, code, message };
}

export function readCommandTag(frame: Buffer): string {
  const reader = new FrameReader(frame, 'CommandComplete');
  const tag = reader.text();
  reader.end();
  return tag;
}

/** How many rows the tag of a CommandComplete counts; 0 where it counts none. */
export function readRowCount(frame: Buffer): number {
  let count = 0;
  let unit = 1;
  for (let at = frame.length - 2; at > HEADER_BYTES; at--, unit *= 10) {
    const digit = (frame[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    count += digit * unit;
  }
  return count;
}

export interface ColumnFields {
  readonly name: string;
  readonly tableOid: number;
  readonly columnNumber: number;
  readonly typeOid: number;
  readonly typeSize: number;
  readonly typeModifier: number;
  readonly format: number;
  /** Where in the frame the four bytes of the OID stand: OIDs differ between members and are patched in place. */
  readonly tableOidOffset: number;
  readonly typeOidOffset: number;
}

export function readRowDescription(frame: Buffer): ColumnFields[] {
  const reader = new FrameReader(frame, 'RowDescription');
  const columns: ColumnFields[] = [];
  for (let left = reader.count(); left > 0; left--) {
    const name = reader.text();
    const start = reader.at;
    columns.push({
      name,
      tableOid: reader.uint32(),
      columnNumber: reader.int16(),
      typeOid: reader.uint32(),
      typeSize: reader.int16(),
      typeModifier: reader.int32(),
      format: reader.int16(),
      tableOidOffset: start,
      typeOidOffset: start + 6,
    });
  }
  reader.end();
  return columns;
}

/** Where in a RowDescription the table's OID of each column stands; its type's OID is six bytes behind. Makes nothing else of it. */
export function tableOidOffsets(frame: Buffer): number[] {
  const offsets: number[] = [];
  let at = HEADER_BYTES + 2;
  for (let left = frame.readUInt16BE(HEADER_BYTES); left > 0; left--) {
    const start = frame.indexOf(0, at) + 1;
    // The offsets are written to: outside of the body they would break what stands there.
    if (start === 0 || start + 18 > frame.length)
      throw malformed('RowDescription', 'it ends in the middle of a field');
    offsets.push(start);
    at = start + 18;
  }
  return offsets;
}

export function readParameterDescription(frame: Buffer): { typeOids: number[]; offset: number } {
  const reader = new FrameReader(frame, 'ParameterDescription');
  const typeOids: number[] = [];
  const count = reader.count();
  const offset = reader.at;
  while (typeOids.length < count) typeOids.push(reader.uint32());
  reader.end();
  return { typeOids, offset };
}

export function readDataRow(frame: Buffer): (Buffer | null)[] {
  const reader = new FrameReader(frame, 'DataRow');
  const values: (Buffer | null)[] = [];
  for (let left = reader.count(); left > 0; left--) values.push(reader.value());
  reader.end();
  return values;
}

export function readNotification(frame: Buffer): { pid: number; channel: string; payload: string } {
  const reader = new FrameReader(frame, 'NotificationResponse');
  const notification = { pid: reader.uint32(), channel: reader.text(), payload: reader.text() };
  reader.end();
  return notification;
}
