import { resolve } from 'node:path';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { connectionUrl, demoText } from '../demo-text.ts';
import type { ExitCode } from '../exit-codes.ts';
import { runUntilStopped } from '../run-until-stopped.ts';

export interface DemoCommandOptions extends Pick<CommonOptions, 'json'> {
  readonly dir: string;
  readonly port: string;
  readonly adminPort: string;
}

export async function demo(io: CliIo, options: DemoCommandOptions): Promise<ExitCode> {
  const port = parsePort('--port', options.port);
  const adminPort = parsePort('--admin-port', options.adminPort);
  const { createLogger } = await import('../../telemetry/index.ts');
  // Only what matters, so that the lines to copy stay on the screen.
  const logger = await createLogger({
    level: 'warn',
    format: options.json === true ? 'json' : 'auto',
    output: io.stderr,
  });
  const program = await io.loadProgram();
  const onProgress = (text: string) => {
    if (options.json !== true) io.stderr.write(`${text}\n`);
  };
  return await runUntilStopped(
    io,
    (signal) =>
      program.demo({ directory: resolve(options.dir), port, adminPort, logger, signal, onProgress }),
    (running) => {
      const { address, adminUrl, tokenFile, members, configFile } = running;
      const url = connectionUrl(running.connection);
      const ready = { address, url, admin: adminUrl, tokenFile, members, configFile };
      io.stdout.write(options.json === true ? `${JSON.stringify({ ready })}\n` : demoText(running));
    },
  );
}

function parsePort(option: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 0 && port <= 65_535) return port;
  throw new LockstepError({
    code: 'cli.usage',
    message: `${option} ${text}: a port is a number from 0 to 65535`,
  });
}
