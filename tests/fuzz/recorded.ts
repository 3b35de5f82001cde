/** Sessions as they were once: what each side said in turn. Recorded by `FUZZ_RECORD=1 npx vitest run tests/fuzz/record`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Turn {
  readonly client: Buffer;
  readonly server: Buffer;
}

/** The connections of a session in the order in which they were made, each with its turns. */
export type RecordedSession = readonly (readonly Turn[])[];

/** Bytes as characters, so that what was said can be read in the file. */
interface WrittenTurn {
  readonly client: string;
  readonly server: string;
}

const path = join(import.meta.dirname, 'corpus', 'clients.json');

export function readCorpus(): ReadonlyMap<string, RecordedSession> {
  const sessions = JSON.parse(readFileSync(path, 'utf8')) as Record<string, WrittenTurn[][]>;
  return new Map(
    Object.entries(sessions).map(([session, connections]) => [
      session,
      connections.map((turns) =>
        turns.map(({ client, server }) => ({
          client: bytesOf(client),
          server: bytesOf(server),
        })),
      ),
    ]),
  );
}

export function writeCorpus(sessions: ReadonlyMap<string, RecordedSession>): void {
  const all = Object.fromEntries(
    [...sessions].map(([session, connections]) => [
      session,
      connections.map((turns) =>
        turns.map(({ client, server }) => ({
          client: written(client),
          server: written(server),
        })),
      ),
    ]),
  );
  writeFileSync(path, `${JSON.stringify(all, null, 1)}\n`);
}

/** Long runs of one character are counted. No byte is an ellipsis. */
function written(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(/(.)\1{999,}/gs, (run) => `…${run.length}:${run.charAt(0)}`);
}

function bytesOf(text: string): Buffer {
  const whole = text.replaceAll(/…(\d+):(.)/gs, (_, count, character) =>
    String(character).repeat(Number(count)),
  );
  return Buffer.from(whole, 'latin1');
}

/** Cuts what one side said behind its start-up into messages; what is no whole message stays together at the end. */
export function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 5) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length || end < at + 5) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  if (at < bytes.length) frames.push(bytes.subarray(at));
  return frames;
}
