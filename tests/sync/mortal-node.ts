/**
 * A node in a process of its own that kills itself in the very moment in which the synchronisation of a member that was found to
 * differ enters a phase.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = pathToFileURL(join(import.meta.dirname, '../../dist/'));

/** Without a file that names a phase, it lives. The file goes first, so that its successor does. */
const text = `
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
const { loadConfig } = await import('${new URL('config/index.js', dist).href}');
const { LockstepNode } = await import('${new URL('node/index.js', dist).href}');
const path = process.argv[1];
const order = join(dirname(path), 'die-at');
let found = false;
const take = (fields, message) => {
  console.log(JSON.stringify({ ...fields, message }));
  if (fields.event === 'member-differs') found = true;
  if (fields.event !== 'sync-progress' || !found) return;
  let phase = '';
  try { phase = readFileSync(order, 'utf8'); } catch {}
  if (fields.phase !== phase) return;
  rmSync(order);
  process.kill(process.pid, 'SIGKILL');
};
const logger = { trace: take, debug: take, info: take, warn: take, error: take };
const node = await LockstepNode.start({ config: await loadConfig(path, process.env), logger, signal: new AbortController().signal });
process.once('SIGTERM', () => node.stop().then(() => process.exit()));
`;

export const mortalNode: readonly string[] = ['--input-type=module', '--eval', text];

/** From now on; `dir` is where its configuration is. */
export async function dieAt(dir: string, phase: string): Promise<void> {
  await writeFile(join(dir, 'die-at'), phase);
}
