import { CommanderError } from 'commander';
import { LockstepError } from '../base/index.ts';
import type { CliIo } from './cli-io.ts';
import { buildCommands } from './command-line.ts';
import { EXIT_CODES, exitCodeOf } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { explain, showError } from './show-error.ts';
import { VERSION } from './version.ts';

/** Runs one command; answers the exit status. Never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let code: ExitCode = 'ok';
  try {
    const commands = buildCommands(io, VERSION, (ended) => {
      code = ended;
    });
    await commands.parseAsync(args, { from: 'user' });
  } catch (error) {
    const json = args.includes('--json');
    if (error instanceof CommanderError) {
      code = error.exitCode === 0 ? 'ok' : 'usage';
      // For people, commander has already said what is wrong.
      if (code === 'usage' && json) await showError(io, usageError(error), json);
    } else {
      await showError(io, error, json);
      code = exitCodeOf(explain(error));
    }
  }
  return EXIT_CODES[code].status;
}

function usageError(error: CommanderError): LockstepError {
  return new LockstepError({
    code: 'cli.usage',
    message: error.message,
    hint: 'lockstep --help shows what there is',
  });
}
