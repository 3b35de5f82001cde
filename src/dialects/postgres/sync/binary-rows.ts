/** Reads what COPY … TO STDOUT (FORMAT binary) sends, where no row is large: each message holds whole rows. */

import { setImmediate } from 'node:timers/promises';
import { HEADER_BYTES } from '../../../wire/postgres/index.ts';
import { invariant } from '../../../base/index.ts';
import type { CopyTaker, InternalConnection } from '../internal-connection.ts';

const signatureBytes = 11;

/** Calls back with the place of the first field's length in each row; its fields follow one another, each after its length. */
export async function readBinaryRows(
  connection: InternalConnection,
  query: string,
  onRow: (bytes: Buffer, at: number) => void,
): Promise<void> {
  let headerRead = false;
  const take: CopyTaker = (frames, messages) => {
    invariant(messages > 0, 'rows of digests are small');
    for (let at = 0; at < frames.length; ) {
      const end = at + 1 + frames.readInt32BE(at + 1);
      at += HEADER_BYTES;
      if (!headerRead) {
        headerRead = true;
        at += signatureBytes + 4;
        at += 4 + frames.readInt32BE(at);
      }
      while (at < end) {
        const fields = frames.readInt16BE(at);
        at += 2;
        if (fields < 0) break;
        onRow(frames, at);
        for (let field = 0; field < fields; field++) at += 4 + Math.max(frames.readInt32BE(at), 0);
      }
      at = end;
    }
    // They come as fast as they can be read, and clients have their turn in between.
    return setImmediate();
  };
  await connection.copyOut(`COPY (${query}) TO STDOUT (FORMAT binary)`, take);
}
