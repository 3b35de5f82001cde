/** Joins the command line to the engine. Loaded only by the commands that need it. */
import { LockstepError } from '../base/index.ts';
import type { Program } from './program.ts';

export const program: Program = {
  serve: () => Promise.reject(notWired('serve')),
  check: () => Promise.reject(notWired('check')),
  detach: () => Promise.reject(notWired('detach')),
  demo: () => Promise.reject(notWired('demo')),
};

function notWired(command: string): LockstepError {
  return new LockstepError({ code: 'cli.not-wired', message: `${command} is not part of this build` });
}
