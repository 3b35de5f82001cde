/**
 * Where a client's messages speak of types by number. Numbers of own types are given out by each server for itself, and
 * those that a client knows are the primary's.
 */

import { firstUserOid } from '../../dialects/postgres/index.ts';
import type { PreparedStatement } from '../../dialects/postgres/index.ts';
import { readBindFormats, readParse } from '../../wire/postgres/index.ts';
import type { BindFields, BindNames } from '../../wire/postgres/index.ts';

/** The types that a Parse names for its parameters; 0 where it leaves one open. */
export function parameterTypesOf(parse: Buffer): readonly number[] {
  const { parameterTypesOffset, parameterTypesCount } = readParse(parse);
  return Array.from({ length: parameterTypesCount }, (_, i) =>
    parse.readUInt32BE(parameterTypesOffset + 4 * i),
  );
}

export function ownNumbers(types: readonly number[]): readonly number[] {
  return types.filter((oid) => oid >= firstUserOid);
}

/** `values`: some in a Bind do. `results`: those that are asked for may, unless a description says otherwise. */
export function numbersInBind(
  frame: Buffer,
  names: BindNames,
  types: readonly number[],
  statement: PreparedStatement,
): { readonly values: boolean; readonly results: boolean } {
  let formats: BindFields;
  try {
    formats = readBindFormats(frame, names);
  } catch {
    // What is malformed is the server's to refuse.
    return { values: false, results: false };
  }
  const { binaryValues, binaryResults } = formats;
  return {
    values: binaryValues.some(
      (value, i) => value !== undefined && mayHold(types[i] ?? 0) && holdsNumbers(value),
    ),
    results: binaryResults && statement.shape?.numbered !== false,
  };
}

const record = 2249;
const recordArray = 2287;

/** Of built-in types only records and their arrays can hold values of others. */
function mayHold(type: number): boolean {
  return type === 0 || type === record || type === recordArray || type >= firstUserOid;
}

/** An array of elements of an own type, or a record with such a field, by the form of its bytes. */
function holdsNumbers(value: Buffer): boolean {
  return isOwnArray(value) || isOwnRecord(value);
}

const dimensionsMax = 6;

function isOwnArray(value: Buffer): boolean {
  if (value.length < 12) return false;
  const dimensions = value.readUInt32BE(0);
  return dimensions <= dimensionsMax && value.readUInt32BE(4) <= 1 && value.readUInt32BE(8) >= firstUserOid;
}

function isOwnRecord(value: Buffer): boolean {
  if (value.length < 12) return false;
  let own = false;
  let at = 4;
  for (let left = value.readUInt32BE(0); left > 0; left--) {
    if (at + 8 > value.length) return false;
    if (value.readUInt32BE(at) >= firstUserOid) own = true;
    at += 8 + Math.max(0, value.readInt32BE(at + 4));
  }
  return own && at === value.length;
}
