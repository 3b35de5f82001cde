/** Members that come and go. */
import { addMember, cancelSync, removeMember, syncMember } from '../../admin/index.ts';
import type { NewMember, SyncMemberInput } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showSync } from '../show-reports.ts';
import { load } from './load.ts';
import { runLongWork } from './long-work.ts';
import type { WaitOptions } from './long-work.ts';
import { nodeClient } from './node-client.ts';
import { parseStrategy } from './sync.ts';

export interface AddOptions extends WaitOptions {
  readonly id: string;
  readonly url: string;
  readonly weight?: string;
  readonly username?: string;
  readonly passwordEnv?: string;
  readonly passwordFile?: string;
  readonly strategy?: string;
}

export async function add(io: CliIo, options: AddOptions): Promise<ExitCode> {
  const { id, strategy } = options;
  const work: SyncMemberInput = {
    member: id,
    ...(strategy !== undefined && { strategy: parseStrategy(strategy) }),
  };
  const node = await nodeClient(io, options);
  const { message } = await node.ask(addMember, newMember(options));
  if (options.json !== true) io.stdout.write(`${message}\n`);
  return await runLongWork(io, options, node, {
    kind: 'sync',
    command: syncMember,
    input: work,
    end: (report) => ({ text: showSync(report), code: 'ok' }),
  });
}

function newMember({ id, url, weight, username, passwordEnv, passwordFile }: AddOptions): NewMember {
  if (weight !== undefined && !/^\d{1,3}$/.test(weight))
    throw usage(`--weight ${weight}: this is not a weight`);
  if (passwordEnv !== undefined && passwordFile !== undefined)
    throw usage('--password-env and --password-file: a password is in one place');
  return {
    id,
    url,
    ...(weight !== undefined && { weight: Number(weight) }),
    ...(username !== undefined && { username }),
    ...(passwordEnv !== undefined && { password: { env: passwordEnv } }),
    ...(passwordFile !== undefined && { password: { file: passwordFile } }),
  };
}

/** By the node; where none runs, without one. */
export async function remove(io: CliIo, member: string, options: CommonOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const result = await node.ask(removeMember, { member }).catch(async (error: unknown) => {
    if (!(error instanceof LockstepError) || error.code !== 'admin.unreachable' || error.outcome !== 'none')
      throw error;
    const program = await io.loadProgram();
    // It refuses when a node runs after all.
    return { changed: true, message: await program.removeMember(await load(io, options), member) };
  });
  print(io, options, result, () => result.message);
  return 'ok';
}

export async function cancelSyncOf(io: CliIo, member: string, options: CommonOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const result = await node.ask(cancelSync, { member });
  print(io, options, result, () => result.message);
  return 'ok';
}

function usage(message: string): LockstepError {
  return new LockstepError({ code: 'cli.usage', message });
}
