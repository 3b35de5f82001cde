/** The commands that only look, beside `status`. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { CliIo, CommonOptions } from './cli-io.ts';
import type { EventsOptions } from './commands/events.ts';
import type { ExitCode } from './exit-codes.ts';

export interface CommandTools {
  readonly io: CliIo;
  /** What commander is given to call. */
  readonly run: <A extends unknown[]>(
    action: (...args: A) => Promise<ExitCode>,
  ) => (...args: A) => Promise<void>;
  /** Adds the options that every command has. */
  readonly withCommon: (command: Command) => Command;
}

export function addLookCommands(root: Command, { io, run, withCommon }: CommandTools): void {
  withCommon(root.command('doctor'))
    .description(
      'Tells what is wrong and what to do: configuration, state directory, disk, node, and every member with its reasons. Changes nothing. Status 1: something must be mended.',
    )
    .action(
      run(async (options: CommonOptions) => (await import('./commands/doctor.ts')).doctor(io, options)),
    );

  withCommon(root.command('top'))
    .description('Shows traffic, members and clients: on a terminal live, until Ctrl-C; elsewhere once.')
    .action(run(async (options: CommonOptions) => (await import('./commands/top.ts')).top(io, options)));

  withCommon(root.command('events'))
    .description(
      'Shows what has happened, also before the node was last started; the newest last. With --follow and --json, a line of JSON for each.',
    )
    .option('-f, --follow', 'go on with what happens, until Ctrl-C')
    .option('--since <when>', 'not older: 30m, 2h, 7d, or a time such as 2026-01-31T12:00:00Z')
    .option('--type <type>', 'only these: a name of the page of events')
    .option('--member <id>', 'only those about this member')
    .option('--level <level>', 'this important or more: debug, info, warn, error')
    .option('--limit <number>', 'at most so many, the newest', '100')
    .action(
      run(async (options: EventsOptions) => (await import('./commands/events.ts')).showEvents(io, options)),
    );

  const sessions = withCommon(root.command('sessions'))
    .enablePositionalOptions()
    .summary('Shows the clients that are logged in, and what they run.')
    .description('Shows the clients that are logged in, what they run, and where.')
    .action(
      run(async (options: CommonOptions) =>
        (await import('./commands/sessions.ts')).showSessions(io, options),
      ),
    );
  withCommon(sessions.command('cancel').argument('<session>', 'its number'))
    .description('Stops what a client runs; never a commit under way.')
    .action(
      run(async (session: string, options: CommonOptions) =>
        (await import('./commands/sessions.ts')).cancel(io, session, options),
      ),
    );
}

export function addCompletion(root: Command, { io, run }: Pick<CommandTools, 'io' | 'run'>): void {
  root
    .command('completion')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .description('Prints what makes a shell complete commands, options and the ids of members.')
    .action(
      run(async (shell: string) => (await import('./commands/completion.ts')).printCompletion(io, shell)),
    );
  root
    .command('complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(
      run(async (words: string[]) => (await import('./commands/completion.ts')).complete(io, root, words)),
    );
}
