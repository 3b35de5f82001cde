/** Runs a hook's program once: the event on its standard input, a bounded time, and nothing of the node's environment. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { messageOf } from '../../base/index.ts';
import { scrubText } from '../scrub.ts';
import { HookFailure } from './hook.ts';

export interface CommandRun {
  readonly command: readonly string[];
  /** Given on its standard input. */
  readonly input: string;
  /** Added to what the program is told of its surroundings. */
  readonly variables: Readonly<Record<string, string>>;
  /** Of the node; only what every program needs is handed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/** Passwords of the members are often in the environment, so what is not named here stays with the node. */
const HANDED_ON =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|TMP|TEMP|SYSTEMROOT|PATHEXT|COMSPEC|WINDIR)$/i;
const ERROR_TEXT_MAX = 300;
/** From being asked to end until it is ended. */
const END_MS = 1000;
const POSIX = process.platform !== 'win32';

/** Rejects with a `HookFailure`. */
export function runCommand(run: CommandRun): Promise<void> {
  const { command, input, variables, environment, timeoutMs, signal } = run;
  const [program = '', ...words] = command;
  return new Promise((resolve, reject) => {
    const inherited = Object.entries(environment).filter(([name]) => HANDED_ON.test(name));
    const child = spawn(program, words, {
      env: { ...Object.fromEntries(inherited), ...variables },
      stdio: ['pipe', 'ignore', 'pipe'],
      // A group of its own, so that what it has started ends with it.
      detached: POSIX,
      windowsHide: true,
    });
    let said = '';
    let over: string | undefined;
    let killing: NodeJS.Timeout | undefined;
    const end = (why: string): void => {
      over ??= why;
      kill(child, 'SIGTERM');
      killing ??= setTimeout(() => kill(child, 'SIGKILL'), END_MS);
    };
    const late = setTimeout(() => end(`it has not ended within ${timeoutMs} ms`), timeoutMs);
    const stop = (): void => end('the node stops');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const settle = (failure: string | undefined): void => {
      clearTimeout(late);
      clearTimeout(killing);
      signal.removeEventListener('abort', stop);
      child.stderr.destroy();
      if (failure === undefined) resolve();
      else reject(new HookFailure(scrubText(failure)));
    };
    // It need not read what it is told.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < ERROR_TEXT_MAX) said = `${said}${text}`.slice(0, ERROR_TEXT_MAX);
    });
    child.once('error', (error) => settle(`it cannot be run: ${messageOf(error)}`));
    child.once('exit', (status, killedBy) => {
      // Whoever was started by it and is still there.
      if (over !== undefined) kill(child, 'SIGKILL');
      if (status === 0 && over === undefined) settle(undefined);
      else settle(over ?? `it ended with ${status === null ? killedBy : `status ${status}`}${quoted(said)}`);
    });
  });
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (POSIX && child.pid !== undefined) process.kill(-child.pid, signal);
    else child.kill(signal);
  } catch {
    // It has ended meanwhile.
  }
}

function quoted(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line === '' ? '' : `: ${line}`;
}
