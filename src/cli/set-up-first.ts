/** A node that is started at a terminal, and has no configuration yet, is set up in a browser before it starts. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pause } from '../base/index.ts';
import { configPath } from '../config/index.ts';
import type { CliIo, CommonOptions } from './cli-io.ts';

/** So long a page is waited for that has still to be told how the start came out. */
const TELL_MS = 10_000;

export interface FirstSetUp {
  /** Prints the link, and resolves when the file is written. Rejects when `signal` ends it; nothing is written then. */
  ask(signal: AbortSignal): Promise<void>;
  /** Lets the page know, and closes its address. `link`: to the console, signed in. */
  end(how: { readonly link: string | undefined } | { readonly error: unknown }): Promise<void>;
}

/** Undefined: there is a file, or nobody who could open a link. A service whose file is missing has to fail, and not to wait. */
export async function setUpFirst(io: CliIo, options: CommonOptions): Promise<FirstSetUp | undefined> {
  if (io.stdout.isTTY !== true || options.json === true) return undefined;
  const path = resolve(configPath(options.config, io.env));
  if (!(await isMissing(path))) return undefined;
  const [{ BrowserSetUp }, { openSetUpDoor }] = await Promise.all([
    import('./browser-set-up.ts'),
    import('../admin/index.ts'),
  ]);
  const setUp = new BrowserSetUp(io, path);
  let close = (): Promise<void> => Promise.resolve();
  return {
    ask: async (signal) => {
      const door = await openSetUpDoor(setUp);
      close = () => door.close();
      io.stdout.write(
        `There is no ${path} yet. To set it up in a browser on this machine (once, within 15 minutes): ${door.link}\nTo be asked here instead: Ctrl-C, then lockstep init.\n`,
      );
      try {
        await Promise.race([setUp.written, aborted(signal)]);
      } catch (error) {
        await close();
        throw error;
      }
      io.stdout.write(`Written: ${path}\n`);
    },
    end: async (how) => {
      const waited = new AbortController();
      await Promise.race([setUp.end(how), pause(io.clock, TELL_MS, waited.signal)]);
      waited.abort();
      await close();
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

async function isMissing(path: string): Promise<boolean> {
  return await access(path).then(
    () => false,
    (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT',
  );
}
