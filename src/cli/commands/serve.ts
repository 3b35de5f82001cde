import type { CliIo, CommonOptions } from '../cli-io.ts';
import { tokenFiles } from '../../admin/index.ts';
import { invariant } from '../../base/index.ts';
import type { ExitCode } from '../exit-codes.ts';
import { notifySupervisor } from '../notify-supervisor.ts';
import { runUntilStopped } from '../run-until-stopped.ts';
import { setUpFirst } from '../set-up-first.ts';
import { load } from './load.ts';

export interface ServeCommandOptions extends CommonOptions {
  readonly trust?: string;
}

export async function serve(io: CliIo, options: ServeCommandOptions): Promise<ExitCode> {
  const setUp = await setUpFirst(io, options);
  let prepared = setUp === undefined ? await prepare(io, options) : undefined;
  return await runUntilStopped(
    io,
    async (signal) => {
      await setUp?.ask(signal);
      try {
        prepared ??= await prepare(io, options);
        const { program, config, logger } = prepared;
        const { setLevel } = logger;
        return await program.serve(config, { logger, signal, trust: options.trust, setLogLevel: setLevel });
      } catch (error) {
        await setUp?.end({ error });
        throw error;
      }
    },
    (node) => {
      invariant(prepared, 'a node runs by its configuration');
      const { config } = prepared;
      void setUp?.end({ link: node.consoleLink?.() });
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

async function prepare(io: CliIo, options: ServeCommandOptions) {
  const config = await load(io, options);
  const { createLogger } = await import('../../telemetry/index.ts');
  const format = options.json === true ? 'json' : config.logging.format;
  const logger = await createLogger({ level: config.logging.level, format, output: io.stderr });
  return { config, logger, program: await io.loadProgram() };
}
