/** Moves rows in the form of COPY: from one member into another, or out for safe-keeping. */

import { HEADER_BYTES } from '../../../wire/postgres/index.ts';
import type { CopyInput, InternalConnection } from '../internal-connection.ts';

/** Called for what has been passed on; a promise slows the work down. */
export type OnCopied = (rows: number, bytes: number) => Promise<void> | undefined;

export interface RowPipe {
  readonly from: InternalConnection;
  /** COPY … TO STDOUT. */
  readonly out: string;
  readonly to: InternalConnection;
  /** COPY … FROM STDIN, in the same format. */
  readonly in: string;
  readonly onCopied: OnCopied;
}

/** The messages are the same in both directions: they go through as they come. Returns how many rows were written. */
export async function pipeRows(pipe: RowPipe): Promise<number> {
  const input = await pipe.to.copyIn(pipe.in);
  let failure: unknown;
  const pass = (frames: Buffer, rows: number): Promise<void> | undefined => {
    if (failure !== undefined) return undefined;
    const slow = pipe.onCopied(rows, frames.length);
    try {
      const full = input.write(frames);
      if (slow === undefined || full === undefined) return slow ?? full;
      return Promise.all([slow, full]).then(() => undefined);
    } catch (error) {
      failure = error;
      void pipe.from.cancel();
      return undefined;
    }
  };
  try {
    await pipe.from.copyOut(pipe.out, pass);
  } catch (error) {
    await input.giveUp('the source of the rows failed');
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
  return await rowsWritten(input);
}

async function rowsWritten(input: CopyInput): Promise<number> {
  const { tags } = await input.end();
  return Number(/^COPY (\d+)/.exec(tags[0] ?? '')?.[1] ?? 0);
}

/** Rows one by one, without the line's end. Returns how many there were. */
export async function readRows(
  connection: InternalConnection,
  query: string,
  onRow: (row: Buffer) => Promise<void> | void,
): Promise<number> {
  let rows = 0;
  let failure: unknown;
  let pieces: Buffer[] = [];
  const whole = async (frames: Buffer): Promise<void> => {
    if (failure !== undefined) return;
    for (let at = 0; at < frames.length; ) {
      const end = at + 1 + frames.readInt32BE(at + 1);
      rows += 1;
      await onRow(frames.subarray(at + HEADER_BYTES, end - 1));
      at = end;
    }
  };
  // One after another, although they arrive without waiting.
  let before = Promise.resolve();
  const take = (frames: Buffer, messages: number): Promise<void> | undefined => {
    let taken = frames;
    if (messages === 0 || pieces.length > 0) {
      pieces.push(frames);
      if (messages === 0) return undefined;
      taken = Buffer.concat(pieces);
      pieces = [];
    }
    before = before
      .then(() => whole(taken))
      .catch((error: unknown) => {
        if (failure === undefined) void connection.cancel();
        failure ??= error;
      });
    return before;
  };
  try {
    await connection.copyOut(query, take);
    await before;
  } catch (error) {
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
  return rows;
}
