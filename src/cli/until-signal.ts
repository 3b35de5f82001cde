import type { CliIo } from './cli-io.ts';
import type { ExitCode } from './exit-codes.ts';

/** Goes on until Ctrl-C or SIGTERM, which is how it is meant to end. */
export async function untilSignal(
  io: CliIo,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<ExitCode> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  io.signals.on('SIGINT', end);
  io.signals.on('SIGTERM', end);
  try {
    await work(stop.signal);
    return 'ok';
  } finally {
    io.signals.off('SIGINT', end);
    io.signals.off('SIGTERM', end);
  }
}
