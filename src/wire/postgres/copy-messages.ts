/** COPY's messages, which are the same in both directions. */

import { constantFrame, startFrame } from './frame-writer.ts';
import { Backend, HEADER_BYTES } from './message-types.ts';

export const copyDone: Buffer = constantFrame(Backend.CopyDone);

export function copyData(data: Buffer | string): Buffer {
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  const frame = startFrame(Backend.CopyData, bytes);
  if (typeof data === 'string') frame.write(data, HEADER_BYTES);
  else data.copy(frame, HEADER_BYTES);
  return frame;
}
