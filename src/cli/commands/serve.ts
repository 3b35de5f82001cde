import type { CliIo, CommonOptions } from '../cli-io.ts';
import { tokenFiles } from '../../admin/index.ts';
import type { ExitCode } from '../exit-codes.ts';
import { notifySupervisor } from '../notify-supervisor.ts';
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
  const { setLevel } = logger;
  return await runUntilStopped(
    io,
    (signal) => program.serve(config, { logger, signal, trust: options.trust, setLogLevel: setLevel }),
    (node) => {
      const { address, adminUrl } = node;
      const { cluster } = config;
      // A log is read by more people than a terminal.
      const link = io.stdout.isTTY === true ? node.consoleLink?.() : undefined;
      const admin =
        adminUrl === undefined
          ? ''
          : link === undefined
            ? `Its console is at ${adminUrl}; the token is in ${tokenFiles(config.state).operator}\n`
            : `Its console, signed in (once, within 15 minutes): ${link}\nLater: ${adminUrl}, with the token in ${tokenFiles(config.state).operator}\n`;
      // One line, so that a supervisor can wait for it and read on.
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify({ ready: { cluster, address, admin: adminUrl } })}\n`
          : `Lockstep serves cluster ${cluster} on ${address}. Ctrl-C stops it.\n${admin}`,
      );
      notifySupervisor(io, 'READY=1', `STATUS=cluster ${cluster} is served on ${address}`);
    },
    {
      // What is wrong with the file is in the log; the node goes on as it was.
      onHangup: (node) => void node.reload().catch(() => undefined),
      onStopping: () => notifySupervisor(io, 'STOPPING=1'),
    },
  );
}
