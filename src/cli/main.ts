/** The program `lockstep`. */
import { systemClock } from '../base/index.ts';
import { runCli } from './run-cli.ts';

/** `lockstep status | head`: whoever read the output has gone, and that is no error. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signals: process,
  clock: systemClock,
  exit: (status) => process.exit(status),
  loadProgram: async () => (await import('./wiring.ts')).program,
});

/** Output is written by then; a handle that something forgot must not keep the program. */
const LINGER_MS = 1000;
setTimeout(() => process.exit(), LINGER_MS).unref();
/** Nor one that is closed and does not end: Node's own clearing up waits for it, and for ever. */
process.on('beforeExit', () => process.exit());
