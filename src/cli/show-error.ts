/** Errors as the command line shows them: what happened, whether it took effect, what to do next. Never a stack trace. */
import { LockstepError, messageOf } from '../base/index.ts';
import type { CliIo } from './cli-io.ts';

export async function showError(io: CliIo, error: unknown, json: boolean): Promise<void> {
  const explained = explain(error);
  if (json) {
    const { errorToJson } = await import('../admin/index.ts');
    io.stdout.write(`${JSON.stringify({ error: errorToJson(explained) }, null, 2)}\n`);
  } else {
    io.stderr.write(`${errorText(explained)}\n`);
  }
  const wanted = (io.env['LOCKSTEP_DEBUG'] ?? '') !== '';
  if (wanted && error instanceof Error) io.stderr.write(`${error.stack ?? ''}\n`);
}

/** Gives errors of the operating system and of the program itself the shape of our own. */
export function explain(error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = SYSTEM_ERRORS[code];
  if (known !== undefined) {
    return new LockstepError({
      code: `cli.${known.code}`,
      message: `${known.message}: ${messageOf(error)}`,
      hint: known.hint,
      cause: error,
    });
  }
  return new LockstepError({
    code: 'cli.unexpected',
    message: messageOf(error),
    outcome: 'unknown',
    hint: 'this should not have happened; set LOCKSTEP_DEBUG=1 to see where it comes from, and please report it',
    cause: error,
  });
}

function errorText(error: LockstepError): string {
  const lines = [`lockstep: ${error.message}`];
  if (error.outcome === 'unknown') lines.push('  outcome: it is not known whether the work was done');
  if (error.outcome === 'done') lines.push('  outcome: the work was done');
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  lines.push(`  code: ${error.code}`);
  return lines.join('\n');
}

interface SystemError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

const SYSTEM_ERRORS: Readonly<Record<string, SystemError>> = {
  EADDRINUSE: {
    code: 'port-in-use',
    message: 'the address is in use',
    hint: 'stop the program that listens there, or choose another port with `listen` in the configuration',
  },
  EADDRNOTAVAIL: {
    code: 'no-such-address',
    message: 'this machine has no such address',
    hint: 'name one of its addresses in `listen`, or 0.0.0.0 for all',
  },
  EACCES: {
    code: 'not-permitted',
    message: 'the system does not permit this',
    hint: 'check the owner and the mode of the file; ports below 1024 need a privilege',
  },
  ENOSPC: {
    code: 'disk-full',
    message: 'the disk is full',
    hint: 'make room on the disk of the `state` directory',
  },
  EMFILE: {
    code: 'too-many-files',
    message: 'the process may not open more files',
    hint: 'raise the limit with `ulimit -n`, or lower `limits.maxClients`',
  },
};
