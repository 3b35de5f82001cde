/** Entries of a dump that are made by other statements than the dump's. */

import { inVersion } from './extensions.ts';
import type { ExtensionVersion } from './extensions.ts';
import { inOrder } from './inherited-columns.ts';
import type { OddChild } from './inherited-columns.ts';

/** Entries that are made in one transaction. */
const batchEntries = 300;

/** Numbers of catalogs, which never change. */
const pgClass = 1259;
const pgExtension = 3079;

/** Both by their number in the source's catalog. */
export interface EntryMaker {
  readonly children: ReadonlyMap<string, OddChild>;
  readonly versions: ReadonlyMap<string, ExtensionVersion>;
  readonly separate: ReadonlySet<number>;
  readonly superuser: boolean;
}

/** In order; those that are made otherwise are alone. */
export function batchesOf(lines: readonly string[], maker: EntryMaker): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let open: string[] | undefined;
  for (const line of lines) {
    const own = childOf(line, maker) !== undefined || versionOf(line, maker) !== undefined;
    if (own || open === undefined || open.length === batchEntries) batches.push((open = []));
    open.push(line);
    if (own) open = undefined;
  }
  return batches;
}

export function madeOf(batch: readonly string[], text: string, maker: EntryMaker): string {
  const [line = ''] = batch;
  const child = childOf(line, maker);
  if (child !== undefined) return inOrder(text, child, maker);
  const version = versionOf(line, maker);
  return version === undefined ? text : inVersion(text, version);
}

function childOf(line: string, { children }: EntryMaker): OddChild | undefined {
  return children.get(numberIn(pgClass, line));
}

function versionOf(line: string, { versions }: EntryMaker): ExtensionVersion | undefined {
  return versions.get(numberIn(pgExtension, line));
}

/** What belongs to an object, such as its comment, has no number in the list. */
function numberIn(catalog: number, line: string): string {
  return new RegExp(`^\\d+; ${catalog} (\\d+) `).exec(line)?.[1] ?? '';
}
