import { resolve } from 'node:path';
import { killPgpool } from './kill-pgpool.ts';
import { help, parseOptions } from './options.ts';
import { run } from './run.ts';
import { measureSchema } from './schema.ts';

const program = resolve(import.meta.dirname, '../../bin/lockstep.js');

// With a listener of our own, a signal ends the process by `exit`, and everything that was started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

try {
  const [first, ...rest] = process.argv.slice(2);
  const options =
    first === 'kill-pgpool' || first === 'schema' ? first : parseOptions(process.argv.slice(2), program);
  if (options === 'help') console.log(help);
  else if (options === 'kill-pgpool') await killPgpool(rest);
  else if (options === 'schema') await measureSchema(rest, program);
  else await run(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
