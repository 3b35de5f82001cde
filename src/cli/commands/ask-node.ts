/** The commands that a running node carries out. */
import type { Command, CommandResult } from '../../admin/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showStatus } from '../show-status.ts';
import { nodeClient } from './node-client.ts';

export async function showNodeStatus(
  io: CliIo,
  options: CommonOptions & { readonly watch?: boolean },
): Promise<ExitCode> {
  const { status } = await import('../../admin/index.ts');
  const node = await nodeClient(io, options);
  if (options.watch === true) {
    const { watchStatus } = await import('../watch-status.ts');
    return await watchStatus(io, options, node);
  }
  const answer = await node.ask(status, {});
  print(io, options, answer, () => showStatus(answer, io.clock.wallTime().getTime()));
  return 'ok';
}

export async function deactivate(
  io: CliIo,
  member: string,
  options: CommonOptions & { readonly reason?: string },
): Promise<ExitCode> {
  const { deactivateMember } = await import('../../admin/index.ts');
  const { reason } = options;
  return await change(io, options, deactivateMember, { member, ...(reason !== undefined && { reason }) });
}

export async function switchTo(io: CliIo, member: string, options: CommonOptions): Promise<ExitCode> {
  const { switchPrimary } = await import('../../admin/index.ts');
  return await change(io, options, switchPrimary, { member });
}

export async function pauseClients(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const { pause } = await import('../../admin/index.ts');
  return await change(io, options, pause, {});
}

export async function resumeClients(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const { resume } = await import('../../admin/index.ts');
  return await change(io, options, resume, {});
}

export async function reloadNode(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const { reload } = await import('../../admin/index.ts');
  return await change(io, options, reload, {});
}

async function change<Input>(
  io: CliIo,
  options: CommonOptions,
  command: Command<Input, CommandResult>,
  input: Input,
): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const result = await node.ask(command, input);
  print(io, options, result, () => result.message);
  return 'ok';
}
