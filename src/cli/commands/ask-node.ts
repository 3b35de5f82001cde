/** The commands that a running node carries out. */
import type { Command, CommandResult } from '../../admin/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showStatus } from '../show-status.ts';
import { load } from './load.ts';

export async function showNodeStatus(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const { status } = await import('../../admin/index.ts');
  const answer = await ask(io, options, status, {});
  print(io, options, answer, () => showStatus(answer));
  return 'ok';
}

export async function activate(io: CliIo, member: string, options: CommonOptions): Promise<ExitCode> {
  const { activateMember } = await import('../../admin/index.ts');
  return await change(io, options, activateMember, { member });
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

async function change<Input>(
  io: CliIo,
  options: CommonOptions,
  command: Command<Input, CommandResult>,
  input: Input,
): Promise<ExitCode> {
  const result = await ask(io, options, command, input);
  print(io, options, result, () => result.message);
  return 'ok';
}

async function ask<Input, Output>(
  io: CliIo,
  options: CommonOptions,
  command: Command<Input, Output>,
  input: Input,
): Promise<Output> {
  const config = await load(io, options);
  const { adminAddress, AdminClient } = await import('../../admin/index.ts');
  return await new AdminClient(adminAddress(config.state)).call(command, input);
}
