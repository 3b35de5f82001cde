/** One-dimensional arrays in PostgreSQL's binary format: no quoting, no parsing. */

export const elementTypes = { int2: 21, int4: 23, int8: 20, text: 25, bytea: 17 } as const;

export function binaryArray(
  type: keyof typeof elementTypes,
  values: readonly (Buffer | number | null)[],
): Buffer {
  const width = type === 'int2' ? 2 : type === 'int4' ? 4 : 8;
  let size = 20;
  let nulls = 0;
  for (const value of values) {
    size += 4;
    if (value === null) nulls = 1;
    else size += typeof value === 'number' ? width : value.length;
  }
  const out = Buffer.allocUnsafe(size);
  out.writeInt32BE(values.length === 0 ? 0 : 1, 0);
  out.writeInt32BE(nulls, 4);
  out.writeInt32BE(elementTypes[type], 8);
  if (values.length === 0) return out.subarray(0, 12);
  out.writeInt32BE(values.length, 12);
  out.writeInt32BE(1, 16);
  let at = 20;
  for (const value of values) {
    if (value === null) {
      at = out.writeInt32BE(-1, at);
    } else if (typeof value === 'number') {
      at = out.writeInt32BE(width, at);
      if (width === 2) at = out.writeInt16BE(value, at);
      else if (width === 4) at = out.writeInt32BE(value, at);
      else at = out.writeBigInt64BE(BigInt(value), at);
    } else {
      at = out.writeInt32BE(value.length, at);
      at += value.copy(out, at);
    }
  }
  return out;
}
