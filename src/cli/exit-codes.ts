import { LockstepError } from '../base/index.ts';

/** What the exit status of `lockstep` says to a script. */
export const EXIT_CODES = {
  ok: { status: 0, meaning: 'done' },
  failed: { status: 1, meaning: 'failed, possibly half-way; or a check found something that must be cured' },
  usage: { status: 2, meaning: 'the command line or the configuration is wrong' },
  unreachable: { status: 3, meaning: 'no node answers' },
  refused: { status: 4, meaning: 'refused: nothing was changed, and the message says what to do' },
  differs: { status: 5, meaning: 'members differ' },
  unchecked: { status: 6, meaning: 'whether members differ could not be found out' },
  detached: { status: 130, meaning: 'Ctrl-C while waiting for work in the node: the work goes on' },
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

const usage = ['config.invalid', 'config.unreadable', 'cli.usage', 'admin.bad-input'];

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof LockstepError)) return 'failed';
  if (usage.includes(error.code)) return 'usage';
  // A lost answer is not the same as an absent node: the command may have been carried out.
  if (error.code === 'admin.unreachable' && error.outcome === 'none') return 'unreachable';
  return error.outcome === 'none' ? 'refused' : 'failed';
}
