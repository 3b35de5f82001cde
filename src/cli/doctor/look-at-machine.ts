/** What the node needs of this machine: a directory of its own, and room in it. */
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { messageOf } from '../../base/index.ts';
import type { Config } from '../../config/index.ts';
import { bytesText } from '../byte-size.ts';
import type { Finding } from '../program.ts';

const POSIX = process.platform !== 'win32';
const FREE_BYTES_FEW = 2 ** 30;
const FREE_BYTES_NONE = 100 * 2 ** 20;

export async function lookAtMachine({ state }: Config): Promise<readonly Finding[]> {
  return [await stateDirectory(state), await room(state)].flatMap((finding) => finding ?? []);
}

async function stateDirectory(path: string): Promise<Finding> {
  const name = 'state directory';
  try {
    const { mode, uid } = await stat(path);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const own = process.geteuid?.();
    if (POSIX && (mode & 0o022) !== 0)
      return { name, ok: 'fail', found: `${path} may be written by others`, cure: `chmod 700 '${path}'` };
    if (POSIX && own !== 0 && uid !== own)
      return {
        name,
        ok: 'warn',
        found: `${path} belongs to another user`,
        cure: 'run this as the user of the node',
      };
    if (POSIX && (mode & 0o055) !== 0)
      return { name, ok: 'warn', found: `${path} may be read by others`, cure: `chmod 700 '${path}'` };
    return { name, ok: 'ok', found: path };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return { name, ok: 'ok', found: `${path} is made at the first start` };
    return { name, ok: 'fail', found: messageOf(error), cure: 'let the user of the node read and write it' };
  }
}

/** Undefined: it is not there yet, or the system does not say. */
async function room(path: string): Promise<Finding | undefined> {
  const found = await statfs(path).catch(() => undefined);
  if (found === undefined) return undefined;
  const free = found.bavail * found.bsize;
  const text = `${bytesText(free)} free`;
  const cure = `make room on the disk of ${path}; rows that were kept (kept/) can be moved elsewhere`;
  if (free < FREE_BYTES_NONE) return { name: 'disk', ok: 'fail', found: text, cure };
  return free < FREE_BYTES_FEW
    ? { name: 'disk', ok: 'warn', found: text, cure }
    : { name: 'disk', ok: 'ok', found: text };
}
