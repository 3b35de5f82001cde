/**
 * How a PostgreSQL program is started. PostgreSQL refuses to run as root, so root needs a way round; and a server
 * should end with the process that started it, even when that is killed, which Linux offers as the parent-death signal.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LockstepError } from '../../base/index.ts';
import type { PostgresBinaries } from './binaries.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Launcher {
  readonly name: LauncherName;
  /** What comes before the program in the command line. */
  readonly prefix: readonly string[];
  /** The account given to `spawn`, where no prefix does the change. */
  readonly spawnAs: Account | undefined;
  /** Who must own the data directory, where it is not the account of this process. */
  readonly owner: Account | undefined;
}

/**
 * - `direct`: as this process; not for root, nor for an account without a name, which PostgreSQL does not accept.
 * - `namespace`: in a user namespace of its own, where this account has another number. Needs no second account and no
 *   chown. Containers often forbid it.
 * - `capability`: as an ordinary account that may still pass every directory, so that neither the programs nor the data
 *   need to lie where that account could go by itself (below /root, say).
 * - `account`: as an ordinary account and nothing more.
 */
export type LauncherName = 'direct' | 'namespace' | 'capability' | 'account';

/** What to spawn, and with which words, so that `program` runs by way of the launcher. */
export function commandLine(
  launcher: Launcher,
  program: string,
  words: readonly string[],
): readonly [command: string, words: readonly string[]] {
  const [command, ...first] = launcher.prefix;
  return command === undefined ? [program, words] : [command, [...first, program, ...words]];
}

/** The first launcher that works here for these binaries. */
export function chooseLauncher(binaries: PostgresBinaries): Launcher {
  const remembered = chosen.get(binaries.directory);
  if (remembered) return remembered;
  const launcher = workingLaunchers(binaries)[0];
  if (!launcher) {
    throw new LockstepError({
      code: 'testing.cannot-launch',
      message: `the programs in ${binaries.directory} cannot be started from this account`,
      hint: 'run as an ordinary user, or put the installation where the account "nobody" can read it',
    });
  }
  chosen.set(binaries.directory, launcher);
  return launcher;
}

const chosen = new Map<string, Launcher>();

/** Every launcher that works here, the best first. */
export function workingLaunchers(binaries: PostgresBinaries): readonly Launcher[] {
  return candidates().filter((launcher) => works(launcher, binaries));
}

function candidates(): readonly Launcher[] {
  const dying = supportsParentDeathSignal() ? ['setpriv', '--pdeathsig=QUIT'] : [];
  const owner = serverAccount();
  const direct: Launcher = { name: 'direct', prefix: dying, spawnAs: undefined, owner: undefined };
  const account: Launcher = { name: 'account', prefix: dying, spawnAs: owner, owner };
  const namespace: Launcher = {
    name: 'namespace',
    prefix: ['unshare', '--user', `--map-user=${owner.uid}`, `--map-group=${owner.gid}`, '--', ...dying],
    spawnAs: undefined,
    owner: undefined,
  };
  const capability: Launcher = {
    name: 'capability',
    prefix: [
      'setpriv',
      `--reuid=${owner.uid}`,
      `--regid=${owner.gid}`,
      '--clear-groups',
      '--inh-caps=+dac_override',
      '--ambient-caps=+dac_override',
      // Otherwise access(2) answers as if the capability were not there, and initdb does not find its own files.
      '--securebits=+no_setuid_fixup',
      '--pdeathsig=QUIT',
    ],
    spawnAs: undefined,
    owner,
  };
  const root = process.getuid?.() === 0;
  if (process.platform !== 'linux') return root ? [account] : [direct];
  return root ? [namespace, capability, account] : [direct, namespace];
}

/** The program can be read and run, and the account has a name. */
function works(launcher: Launcher, binaries: PostgresBinaries): boolean {
  const options = { env: { ...process.env, ...binaries.environment }, ...launcher.spawnAs, cwd: '/' };
  const trials = [
    commandLine(launcher, join(binaries.directory, 'initdb'), ['--version']),
    commandLine(launcher, 'id', ['-un']),
  ];
  return trials.every(([command, words]) => spawnSync(command, words, options).status === 0);
}

function supportsParentDeathSignal(): boolean {
  return process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig=QUIT', 'true']).status === 0;
}

/** `postgres` where the system has that account, else what every Unix calls nobody. */
function serverAccount(): Account {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined
    ? { uid: 65534, gid: 65534 }
    : { uid: Number(uid), gid: Number(gid) };
}
