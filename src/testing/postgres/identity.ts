/**
 * Copies of one template would all carry one system identifier, as physical replicas of each other do. Independent
 * servers each have their own, so a copy gets a new one, in the two places where the server keeps it.
 */

import { randomBytes } from 'node:crypto';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '../../base/index.ts';

/** Where the first page of a WAL segment holds the identifier (after the 24 bytes of an ordinary page header). */
const identifierInSegment = 24;

/** The control data of the versions that are out grow from 288 to 296 bytes; the file has 8 KB. */
const checksumAtMin = 128;
const checksumAtMax = 512;

/** Only for a server that was shut down in order, or never started. */
export async function giveNewIdentity(dataDirectory: string): Promise<void> {
  const identifier = Buffer.alloc(8);
  // The top bit stays clear: everybody shows the identifier as a signed number.
  identifier.writeBigUInt64LE(randomBytes(8).readBigUInt64LE() >> 1n);
  const control = join(dataDirectory, 'global', 'pg_control');
  const content = await readFile(control);
  const checksumAt = findChecksum(content);
  identifier.copy(content);
  content.writeUInt32LE(crc32c(content.subarray(0, checksumAt)), checksumAt);
  await overwrite(control, content, 0);
  const wal = join(dataDirectory, 'pg_wal');
  for (const name of await readdir(wal)) {
    if (/^[0-9A-F]{24}$/.test(name)) await overwrite(join(wal, name), identifier, identifierInSegment);
  }
}

/** The control data end with their CRC, at a place that differs between versions; only there does it fit. */
function findChecksum(content: Buffer): number {
  let at = checksumAtMin;
  while (at < checksumAtMax && content.readUInt32LE(at) !== crc32c(content.subarray(0, at))) at += 4;
  invariant(at < checksumAtMax, 'pg_control has no valid checksum');
  return at;
}

async function overwrite(path: string, bytes: Buffer, position: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, position);
  } finally {
    await file.close();
  }
}

/** CRC-32C (Castagnoli), as PostgreSQL computes it. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
