import { cancelJob, jobs as jobsCommand } from '../../admin/index.ts';
import type { JobStatus } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { progressSentence } from '../show-progress.ts';
import { table } from '../table.ts';
import { nodeClient } from './node-client.ts';

export async function showJobs(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const list = await node.ask(jobsCommand, {});
  print(io, options, list, () =>
    list.length === 0
      ? 'No work was begun by an operator since the node started.'
      : table(['JOB', 'KIND', 'MEMBER', 'STATE', 'STARTED', 'HOW FAR'], list.map(jobRow)),
  );
  return 'ok';
}

function jobRow({ id, kind, member, state, startedAt, progress, error }: JobStatus): readonly string[] {
  const howFar =
    error?.message ?? (progress === null || state !== 'running' ? '' : progressSentence(progress));
  return [String(id), kind, member ?? '-', state, startedAt.replace(/\.\d+Z$/, 'Z'), howFar];
}

export async function cancel(io: CliIo, text: string, options: CommonOptions): Promise<ExitCode> {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `${text} is not the number of a job`,
      hint: 'lockstep jobs shows them',
    });
  }
  const node = await nodeClient(io, options);
  const result = await node.ask(cancelJob, { job: Number(text) });
  print(io, options, result, () => result.message);
  return 'ok';
}
