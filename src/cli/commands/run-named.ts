/** Any command of the node by its name: the list from which every door is made, as a door of its own. */
import type { Command } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { table } from '../table.ts';
import { nodeClient } from './node-client.ts';

/** Without a name, what there is. The answer is JSON either way: what it means is the command's own. */
export async function runNamed(
  io: CliIo,
  name: string | undefined,
  json: string | undefined,
  options: CommonOptions,
): Promise<ExitCode> {
  const { COMMANDS } = await import('../../admin/index.ts');
  if (name === undefined) {
    const all = COMMANDS.map(({ name: known, summary, effect, job }) => ({
      name: known,
      summary,
      effect,
      job,
    }));
    print(io, options, all, () =>
      table(
        ['COMMAND', ''],
        all.map((one) => [one.name, one.summary]),
      ),
    );
    return 'ok';
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `there is no command ${name}`,
      hint: `there are: ${COMMANDS.map((one) => one.name).join(', ')}`,
    });
  }
  const input = parsed(json ?? '{}');
  const node = await nodeClient(io, options);
  // What stands in the list takes anything, and the node checks it.
  const answer = await node.ask(command as unknown as Command<unknown, unknown>, input);
  print(io, options, answer, () => JSON.stringify(answer, undefined, 2));
  return 'ok';
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new LockstepError({
      code: 'cli.usage',
      message: `the input is not JSON: ${json}`,
      hint: `as in: lockstep run edit-member '{"member":"db2","weight":3}'`,
    });
  }
}
