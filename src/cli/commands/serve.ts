import type { CliIo, CommonOptions } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { runUntilStopped } from '../run-until-stopped.ts';
import { load } from './load.ts';

export interface ServeCommandOptions extends CommonOptions {
  readonly trust?: string;
}

export async function serve(io: CliIo, options: ServeCommandOptions): Promise<ExitCode> {
  const config = await load(io, options);
  const { createLogger } = await import('../../telemetry/index.ts');
  const format = options.json === true ? 'json' : config.logging.format;
  const logger = await createLogger({ level: config.logging.level, format, output: io.stderr });
  const program = await io.loadProgram();
  return await runUntilStopped(
    io,
    (signal) => program.serve(config, { logger, signal, trust: options.trust }),
    ({ address }) => {
      const { cluster } = config;
      // One line, so that a supervisor can wait for it and read on.
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify({ ready: { cluster, address } })}\n`
          : `Lockstep serves cluster ${cluster} on ${address}. Ctrl-C stops it.\n`,
      );
    },
  );
}
