/** The command line as commander sees it: names, arguments, help. What the commands do is in commands/, loaded when asked for. */
import { Command } from 'commander';
import type { CliIo, CommonOptions } from './cli-io.ts';
import type { DemoCommandOptions } from './commands/demo.ts';
import type { ServeCommandOptions } from './commands/serve.ts';
import { EXIT_CODES } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';

/** `finish` is told how the command that ran has ended. */
export function buildCommands(io: CliIo, version: string, finish: (code: ExitCode) => void): Command {
  const run =
    <A extends unknown[]>(action: (...args: A) => Promise<ExitCode>) =>
    async (...args: A): Promise<void> =>
      finish(await action(...args));

  const root = new Command('lockstep')
    .description('Keeps two or more independent database servers identical, behind one address.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .showHelpAfterError('(lockstep --help shows what there is)')
    .addHelpText('after', () => `\nExit status:\n${exitHelp()}`);

  withCommon(root.command('serve').description('Runs a node, until Ctrl-C or SIGTERM.'))
    .option(
      '--trust <id>',
      'take the word that this member has everything, when no other can be proven to; the others are left out',
    )
    .action(
      run(async (options: ServeCommandOptions) => (await import('./commands/serve.ts')).serve(io, options)),
    );

  withJson(root.command('demo').description('Runs three real databases and a node in front of them.'))
    .option('--dir <directory>', 'where the demo keeps its data', '.demo')
    .option('--port <port>', 'port of the node on 127.0.0.1', '6432')
    .action(
      run(async (options: DemoCommandOptions) => (await import('./commands/demo.ts')).demo(io, options)),
    );

  withCommon(
    root.command('check').description('Tells what each member lacks, and what cures it. Changes nothing.'),
  ).action(run(async (options: CommonOptions) => (await import('./commands/check.ts')).check(io, options)));

  const config = root.command('config').description('Commands about the configuration.');
  withCommon(config.command('check').argument('[file]', 'the file, instead of --config'))
    .description('Names everything that is wrong in the configuration file.')
    .action(
      run(async (file: string | undefined, options: CommonOptions) =>
        (await import('./commands/check-config.ts')).checkConfigFile(io, file, options),
      ),
    );

  withCommon(root.command('status').description('Shows the cluster and its members.')).action(
    run(async (options: CommonOptions) =>
      (await import('./commands/ask-node.ts')).showNodeStatus(io, options),
    ),
  );

  const member = root.command('member').description('Commands about one member.');
  withCommon(member.command('activate').argument('<id>', 'the member'))
    .description('Brings a member back that is provably level with the others.')
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/ask-node.ts')).activate(io, id, options),
      ),
    );
  withCommon(member.command('deactivate').argument('<id>', 'the member'))
    .description('Takes a member out, until `member activate` brings it back.')
    .option('--reason <text>', 'why; shown by `status`')
    .action(
      run(async (id: string, options: CommonOptions & { readonly reason?: string }) =>
        (await import('./commands/ask-node.ts')).deactivate(io, id, options),
      ),
    );

  withCommon(member.command('remove').argument('<id>', 'the member'))
    .description('Makes the node forget a member that is inactive or gone. Stop the node first.')
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/remove-member.ts')).remove(io, id, options),
      ),
    );

  withCommon(root.command('switch-primary').argument('<id>', 'an active member'))
    .description('Makes another active member the primary.')
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/ask-node.ts')).switchTo(io, id, options),
      ),
    );

  withCommon(
    root
      .command('detach')
      .description('Removes every trace of Lockstep from the members. Stop the node first.'),
  ).action(run(async (options: CommonOptions) => (await import('./commands/detach.ts')).detach(io, options)));

  root
    .command('reference', { hidden: true })
    .description('Writes the reference pages that are made from the code.')
    .option('--out <directory>', 'where to', 'docs/reference')
    .action(
      run(async (options: { readonly out: string }) =>
        (await import('./commands/write-reference.ts')).writeReferencePages(io, root, options),
      ),
    );

  return root;
}

function withCommon(command: Command): Command {
  return withJson(
    command.option('--config <file>', 'configuration (else $LOCKSTEP_CONFIG, else ./lockstep.yaml)'),
  );
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON, errors included');
}

function exitHelp(): string {
  return Object.values(EXIT_CODES)
    .map(({ status, meaning }) => `  ${status}  ${meaning}`)
    .join('\n');
}
