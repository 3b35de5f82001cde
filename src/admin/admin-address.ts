import { createHash } from 'node:crypto';
import { join, relative, resolve } from 'node:path';
import { LockstepError } from '../base/index.ts';

/** Systems keep the path of a Unix socket in a field of 104 (macOS) or 108 bytes, with a zero at the end. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

/** Where the admin door of the node with this state directory is. */
export function adminAddress(stateDirectory: string): string {
  const directory = resolve(stateDirectory);
  if (process.platform === 'win32') {
    return `\\\\.\\pipe\\lockstep-${createHash('sha256').update(directory).digest('hex').slice(0, 32)}`;
  }
  const full = join(directory, 'admin.sock');
  // A longer path would be cut off in silence. Seen from here it may be shorter.
  const usable = [full, relative(process.cwd(), full)].find(
    (path) => Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX,
  );
  if (usable !== undefined) return usable;
  throw new LockstepError({
    code: 'admin.path-too-long',
    message: `the path ${full} is too long for a socket: at most ${SOCKET_PATH_BYTES_MAX} bytes`,
    hint: 'choose a `state` directory with a shorter path',
  });
}
