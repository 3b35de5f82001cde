/** Row images as the lines of a CSV file: they differ in the parentheses and in how a backslash is written. */

import { backslash, close, open, quote } from './change-reader.ts';

const newline = 0x0a;

export function csvLines(images: Buffer): Buffer {
  const lines = Buffer.allocUnsafe(images.length);
  let length = 0;
  let quoted = false;
  for (let at = 0; at < images.length; at++) {
    const byte = images[at] as number;
    if (byte === quote) quoted = !quoted;
    else if (quoted) {
      // Doubled in an image.
      if (byte === backslash) at += 1;
    } else if (byte === open) continue;
    else if (byte === close) {
      lines[length++] = newline;
      continue;
    }
    lines[length++] = byte;
  }
  return lines.subarray(0, length);
}
