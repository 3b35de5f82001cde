/** Collects a write set part by part: in memory while it is small, in a file when it is not. */

import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { WriteSet } from './contract.ts';

export interface Spool {
  add(part: Buffer): Promise<void>;
  finish(): Promise<WriteSet>;
}

export interface SpoolOptions {
  readonly directory: string;
  /** Above this the parts go to a file. */
  readonly memoryBytes: number;
}

export function openSpool(options: SpoolOptions): Spool {
  let parts: Buffer[] = [];
  let bytes = 0;
  let file: FileHandle | undefined;
  const path = join(options.directory, `write-set-${randomUUID()}.spool`);
  const lengths: number[] = [];

  const toFile = async (): Promise<void> => {
    file ??= await open(path, 'wx+', 0o600);
    for (const part of parts) {
      lengths.push(part.length);
      await file.write(part);
    }
    parts = [];
  };

  return {
    async add(part) {
      bytes += part.length;
      parts.push(part);
      if (bytes > options.memoryBytes) await toFile();
    },
    async finish() {
      if (file === undefined) {
        const kept = parts;
        return { bytes, parts: () => kept, release: () => undefined };
      }
      // Not synced: the file serves this process only. After a crash the members' own logs have the write set.
      await toFile();
      const handle = file;
      return {
        bytes,
        parts: () => readParts(handle, lengths),
        release: () => {
          void handle
            .close()
            .then(() => unlink(path))
            .catch(() => undefined);
        },
      };
    },
  };
}

async function* readParts(file: FileHandle, lengths: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const length of lengths) {
    const part = Buffer.allocUnsafe(length);
    for (let read = 0; read < length; ) {
      const { bytesRead } = await file.read(part, read, length - read, at + read);
      if (bytesRead === 0) throw new Error('the spool file of a write set was cut short');
      read += bytesRead;
    }
    at += length;
    yield part;
  }
}
