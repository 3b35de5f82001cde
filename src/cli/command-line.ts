/** The command line as commander sees it: names, arguments, help. What the commands do is in commands/, loaded when asked for. */
import { Command } from 'commander';
import type { CliIo, CommonOptions } from './cli-io.ts';
import type { DemoCommandOptions } from './commands/demo.ts';
import type { ImportOptions } from './commands/import.ts';
import type { InitOptions } from './commands/init.ts';
import type { WaitOptions } from './commands/long-work.ts';
import type { AddOptions } from './commands/member.ts';
import type { RepairOptions } from './commands/repair.ts';
import type { ServeCommandOptions } from './commands/serve.ts';
import type { SyncOptions } from './commands/sync.ts';
import type { TortureCommandOptions } from './commands/torture.ts';
import type { VerifyOptions } from './commands/verify.ts';
import { EXAMPLES } from './examples.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { leaves } from './leaves.ts';
import type { ExitCode } from './exit-codes.ts';
import { addCompletion, addLookCommands } from './look-commands.ts';
import { USUAL } from './usual-answers.ts';

/** `finish` is told how the command that ran has ended. */
export function buildCommands(io: CliIo, version: string, finish: (code: ExitCode) => void): Command {
  const run =
    <A extends unknown[]>(action: (...args: A) => Promise<ExitCode>) =>
    async (...args: A): Promise<void> =>
      finish(await action(...args));

  const root = new Command('lockstep')
    .description('Keeps two or more independent database servers identical, behind one address.')
    .version(version)
    // `sync cancel db2 --json`: an option belongs to the command that it follows, not to the one above.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .showHelpAfterError('(lockstep --help shows what there is)')
    .addHelpText('after', () => `\nExit status:\n${exitHelp()}`);

  withCommon(
    root
      .command('serve')
      .summary('Runs a node, until Ctrl-C or SIGTERM.')
      .description(
        'Runs a node, until Ctrl-C or SIGTERM. At a terminal, and without a configuration file, it prints a link first: the file is made in a browser on this machine, and the node goes on with it.',
      ),
  )
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
    .option('--admin-port <port>', 'port of its console', '6480')
    .action(
      run(async (options: DemoCommandOptions) => (await import('./commands/demo.ts')).demo(io, options)),
    );

  withCommon(
    root.command('check').description('Tells what each member lacks, and what cures it. Changes nothing.'),
  ).action(run(async (options: CommonOptions) => (await import('./commands/check.ts')).check(io, options)));

  withNew(
    root
      .command('init')
      .description(
        'Makes a configuration file: asks, tests the connections, and writes it with every option explained.',
      ),
  )
    .option('--cluster <name>', 'name of the cluster')
    .option('--username <name>', 'role with which Lockstep works on the databases')
    .option('--password-env <name>', 'environment variable with its password')
    .option('--password-file <path>', 'the same in a file, relative to the configuration')
    .option(
      '--member <url...>',
      'a database: postgres://host:port/database, or id=postgres://…; once for each',
    )
    .option('--client <name...>', 'a role with which clients log in; the databases keep its password')
    .option('--source <id>', 'the member whose data count when they differ')
    .option('--no-check', 'do not look at the databases')
    .action(run(async (options: InitOptions) => (await import('./commands/init.ts')).init(io, options)));

  withNew(
    root
      .command('import')
      .argument(
        '<file>',
        'ha-jdbc.xml, database.cluster.xml, or the file of a Sequoia or C-JDBC virtual database',
      ),
  )
    .description(
      'Makes a configuration from that of another product, and says what of it has no counterpart.',
    )
    .option('--cluster <name>', 'name of the cluster, instead of its name there')
    .option('--username <name>', 'role of the databases for which the file names none')
    .option(
      '--password-env <name>',
      'environment variable with the common password, instead of a file beside',
    )
    .action(
      run(async (file: string, options: ImportOptions) =>
        (await import('./commands/import.ts')).importFile(io, file, options),
      ),
    );

  const config = root.command('config').description('Commands about the configuration.');
  withCommon(config.command('check').argument('[file]', 'the file, instead of --config'))
    .description('Names everything that is wrong in the configuration file.')
    .action(
      run(async (file: string | undefined, options: CommonOptions) =>
        (await import('./commands/check-config.ts')).checkConfigFile(io, file, options),
      ),
    );

  withCommon(root.command('status').description('Shows the cluster and its members.'))
    .option('--watch', 'go on showing it, until Ctrl-C: in place on a terminal, else a line for each change')
    .action(
      run(async (options: CommonOptions & { readonly watch?: boolean }) =>
        (await import('./commands/ask-node.ts')).showNodeStatus(io, options),
      ),
    );

  addLookCommands(root, { io, run, withCommon });

  const member = root.command('member').description('Commands about one member.');
  withWait(withCommon(member.command('activate').argument('<id>', 'the member')))
    .description(
      'Brings a member back, also one that an operator took out: as `sync`, in the cheapest way that is enough.',
    )
    .action(
      run(async (id: string, options: WaitOptions) =>
        (await import('./commands/sync.ts')).activate(io, id, options),
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

  withWait(withCommon(member.command('add')))
    .description(
      'Takes a database into the running cluster and into the configuration file, and brings it level. It is best empty.',
    )
    .requiredOption('--id <id>', 'name of the member')
    .requiredOption('--url <url>', 'where it is: postgres://host:port/database')
    .option('--weight <weight>', 'share of the reads, 0 to 100')
    .option('--username <name>', 'overrides the common `username`')
    .option('--password-env <name>', "environment variable of the node with the member's own password")
    .option('--password-file <path>', 'the same in a file, relative to the configuration')
    .option('--strategy <strategy>', 'see `sync`; needed when the database has tables of its own')
    .action(run(async (options: AddOptions) => (await import('./commands/member.ts')).add(io, options)));
  withCommon(member.command('remove').argument('<id>', 'the member'))
    .description(
      'Takes a member out of the cluster and out of the configuration file, by the node or, where none runs, without. Its data stay.',
    )
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/member.ts')).remove(io, id, options),
      ),
    );

  const sync = withWait(withCommon(root.command('sync').argument('<id>', 'an inactive member')))
    .enablePositionalOptions()
    .summary('Brings a member level, and activates it.')
    .description('Brings a member level, and activates it, also one that an operator took out.')
    .option(
      '--strategy <strategy>',
      '`replay` what it lacks, `diff` (compare, and put right what differs), `full` (copy everything), or `passive`: take your word that it is level. Default: the cheapest that is enough',
    )
    .option('--dry-run', 'find out which rows of which tables would change; change nothing')
    .option('--max-rate <rate>', 'data read in a second, such as 20MB')
    .action(
      run(async (id: string, options: SyncOptions) =>
        (await import('./commands/sync.ts')).sync(io, id, options),
      ),
    );
  withCommon(sync.command('cancel').argument('<id>', 'the member'))
    .description('Stops what brings a member level. It is held inactive until `sync` or `member activate`.')
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/member.ts')).cancelSyncOf(io, id, options),
      ),
    );

  withWait(withCommon(root.command('verify')))
    .summary('Proves that all active members hold the same.')
    .description(
      'Proves that all active members hold the same: schema, rows, sequences, all at one place in the order. One that differs is taken out and brought level. Status 0: equal, 5: members differ, 6: could not be checked.',
    )
    .option('--tables <names>', 'only these, with commas between them: schema.table, or a name alone')
    .option('--rate <rate>', 'data read from each member in a second, such as 20MB')
    .option(
      '--last',
      'show what the last one has found, with the rows that differed; the status is that of then',
    )
    .action(
      run(async (options: VerifyOptions) => (await import('./commands/verify.ts')).verify(io, options)),
    );
  withWait(withCommon(root.command('repair').argument('[id]', 'the member')))
    .description(
      'Makes members equal again that were found to differ, or the one that is named, and has every table watched. Rows that are removed or overwritten are in a file first.',
    )
    .option('--dry-run', 'find out which rows of which tables would change; change nothing')
    .action(
      run(async (id: string | undefined, options: RepairOptions) =>
        (await import('./commands/repair.ts')).repair(io, id, options),
      ),
    );

  const jobs = withCommon(root.command('jobs'))
    .enablePositionalOptions()
    .summary('Shows the long work that operators have begun.')
    .description('Shows the long work that operators have begun: synchronisations, verifications, repairs.')
    .action(
      run(async (options: CommonOptions) => (await import('./commands/jobs.ts')).showJobs(io, options)),
    );
  withCommon(jobs.command('cancel').argument('<job>', 'its number'))
    .description('Asks a piece of long work to end.')
    .action(
      run(async (job: string, options: CommonOptions) =>
        (await import('./commands/jobs.ts')).cancel(io, job, options),
      ),
    );

  withCommon(root.command('switch-primary').argument('<id>', 'an active member'))
    .description('Makes another active member the primary.')
    .action(
      run(async (id: string, options: CommonOptions) =>
        (await import('./commands/ask-node.ts')).switchTo(io, id, options),
      ),
    );

  withCommon(root.command('pause'))
    .description('Lets open transactions end and new ones wait, until `resume`. Clients stay connected.')
    .action(
      run(async (options: CommonOptions) =>
        (await import('./commands/ask-node.ts')).pauseClients(io, options),
      ),
    );
  withCommon(root.command('resume'))
    .description('Ends a `pause`: clients that wait go on.')
    .action(
      run(async (options: CommonOptions) =>
        (await import('./commands/ask-node.ts')).resumeClients(io, options),
      ),
    );

  withCommon(root.command('run').argument('[command]', 'its name').argument('[input]', 'its input, as JSON'))
    .summary('Has the node run any command by its name; without one, says what there is.')
    .description(
      'Has the node run any command by its name, as HTTP and SQL do: also those that have no word of their own here. Without a name it says what there is. The answer is JSON.',
    )
    .action(
      run(async (name: string | undefined, input: string | undefined, options: CommonOptions) =>
        (await import('./commands/run-named.ts')).runNamed(io, name, input, options),
      ),
    );

  withCommon(
    root
      .command('reload')
      .description(
        'Has the node take over what has changed in its configuration file, as SIGHUP does; names what only a new start takes over.',
      ),
  ).action(
    run(async (options: CommonOptions) => (await import('./commands/ask-node.ts')).reloadNode(io, options)),
  );

  withCommon(
    root
      .command('detach')
      .description('Removes every trace of Lockstep from the members. Stop the node first.'),
  ).action(run(async (options: CommonOptions) => (await import('./commands/detach.ts')).detach(io, options)));

  withJson(root.command('torture'))
    .summary('Tries to break every promise, on real servers.')
    .description(
      'Tries to break every promise: clients work while members, network and node are killed, frozen, cut off and filled up; then everything is healed and compared with what the clients were told. Three servers are started for it. What is broken leaves a story and its history in a directory `torture-<seed>`.',
    )
    .option('--seed <number>', 'repeats the faults and the choices of the clients of that run')
    .option('--seconds <number>', 'of load and faults; healing and judging come on top', '60')
    .option('--clients <number>', 'clients that work at the same time', '8')
    .option('--faults <names>', 'only these, with commas between them; default: all that are possible here')
    .option(
      '--kill <what>',
      'instead: kill -9 of the `node`, or of the `members` in turn, again and again under load',
    )
    .option('--times <number>', 'so often, with --kill', '200')
    .option(
      '--soak <file.svg>',
      'modest load, no fault of the node, and a picture of its memory, descriptors, connections and log; with --seconds 3600, say',
    )
    .option('--list-faults', 'show what can be done, and do nothing')
    .option(
      '--members <urls>',
      'your own empty databases, with commas between them: postgres://user:password@host:port/database; then nothing is killed but the node',
    )
    .action(
      run(async (options: TortureCommandOptions) =>
        (await import('./commands/torture.ts')).runTorture(io, options),
      ),
    );

  root
    .command('reference', { hidden: true })
    .description('Writes the reference pages that are made from the code.')
    .option('--out <directory>', 'where to', 'docs/reference')
    .action(
      run(async (options: { readonly out: string }) =>
        (await import('./commands/write-reference.ts')).writeReferencePages(io, root, options),
      ),
    );

  addCompletion(root, { io, run });
  addExamples(root);
  return root;
}

function addExamples(root: Command): void {
  for (const { path, command } of leaves(root)) {
    const examples = EXAMPLES[path.join(' ')] ?? [];
    if (examples.length > 0)
      command.addHelpText('after', () => `\nExamples:\n${examples.map((one) => `  ${one}`).join('\n')}`);
  }
}

function withCommon(command: Command): Command {
  return withJson(
    command.option('--config <file>', 'configuration (else $LOCKSTEP_CONFIG, else ./lockstep.yaml)'),
  );
}

/** Commands that write a new configuration. */
function withNew(command: Command): Command {
  return withJson(
    command
      .option(
        '--config <file>',
        'the file to write, never over one that is there (else $LOCKSTEP_CONFIG, else ./lockstep.yaml)',
      )
      .option('--listen <address>', 'address on which clients find the node', USUAL.listen)
      .option('--admin <address>', 'address of the console and the HTTP API (default: none)')
      .option(
        '--state <directory>',
        'directory for what the node remembers, relative to the file',
        USUAL.state,
      ),
  );
}

function withWait(command: Command): Command {
  return command.option('--no-wait', 'begin it and return; `jobs` shows how far it is');
}

function withJson(command: Command): Command {
  return command.option('--json', 'print JSON, errors included');
}

function exitHelp(): string {
  return Object.values(EXIT_CODES)
    .map(({ status, meaning }) => `  ${status}  ${meaning}`)
    .join('\n');
}
