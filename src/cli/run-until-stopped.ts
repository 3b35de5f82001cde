import type { CliIo } from './cli-io.ts';
import type { ExitCode } from './exit-codes.ts';
import type { RunningNode } from './program.ts';

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

export interface RunEvents<N> {
  readonly onHangup?: (node: N) => void;
  /** It was asked to stop. */
  readonly onStopping?: () => void;
}

/**
 * Starts something, says that it is ready, and waits. The first Ctrl-C or SIGTERM stops it in good order, also while it
 * is still starting; the second ends the process at once, with the status that shells expect. SIGHUP is handed on; while it
 * is still starting there is nobody to hand it to, and it is not lost.
 */
export async function runUntilStopped<N extends RunningNode>(
  io: CliIo,
  start: (signal: AbortSignal) => Promise<N>,
  onReady: (node: N) => void,
  { onHangup, onStopping }: RunEvents<N> = {},
): Promise<ExitCode> {
  const stop = new AbortController();
  const asked = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = () => {
      if (stop.signal.aborted) {
        io.exit(128 + SIGNALS[name]);
        return;
      }
      io.stderr.write('lockstep: stopping; once more to stop at once\n');
      onStopping?.();
      stop.abort();
    };
    io.signals.on(name, handler);
    return { name, handler };
  });
  let running: N | undefined;
  let hungUp = false;
  const hangup = (): void => {
    if (running === undefined) hungUp = true;
    else onHangup?.(running);
  };
  // On Windows it is the end of the console window.
  const hangs = onHangup !== undefined && process.platform !== 'win32';
  if (hangs) io.signals.on('SIGHUP', hangup);
  try {
    const node = await start(stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return undefined;
      throw error;
    });
    if (node === undefined) return 'ok';
    if (!stop.signal.aborted) onReady(node);
    running = node;
    if (hungUp) hangup();
    await Promise.race([asked, node.ended]);
    await node.stop();
    return 'ok';
  } finally {
    if (hangs) io.signals.off('SIGHUP', hangup);
    for (const { name, handler } of handlers) io.signals.off(name, handler);
  }
}
