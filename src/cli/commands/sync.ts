import type { SyncMemberInput } from '../../admin/index.ts';
import { SYNC_STRATEGIES, syncMember } from '../../admin/index.ts';
import type { SyncStrategy } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import { parseRate } from '../byte-size.ts';
import type { CliIo } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showSync } from '../show-reports.ts';
import { runLongWork } from './long-work.ts';
import type { WaitOptions } from './long-work.ts';
import { nodeClient } from './node-client.ts';

export interface SyncOptions extends WaitOptions {
  readonly strategy?: string;
  readonly dryRun?: boolean;
  readonly maxRate?: string;
}

export async function sync(io: CliIo, member: string, options: SyncOptions): Promise<ExitCode> {
  const { strategy, dryRun, maxRate } = options;
  const input: SyncMemberInput = {
    member,
    ...(strategy !== undefined && { strategy: parseStrategy(strategy) }),
    ...(dryRun !== undefined && { dryRun }),
    ...(maxRate !== undefined && { maxRate: parseRate('--max-rate', maxRate) }),
  };
  return await runLongWork(io, options, await nodeClient(io, options), {
    kind: 'sync',
    command: syncMember,
    input,
    end: (report) => ({ text: showSync(report), code: 'ok' }),
  });
}

/** The same, and no complaint where there is nothing to do. */
export async function activate(io: CliIo, member: string, options: WaitOptions): Promise<ExitCode> {
  try {
    return await sync(io, member, options);
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'cluster.member-active') throw error;
    const result = { changed: false, message: `Member ${member} is active already.` };
    print(io, options, result, () => result.message);
    return 'ok';
  }
}

export function parseStrategy(text: string): SyncStrategy {
  const strategy = SYNC_STRATEGIES.find((one) => one === text);
  if (strategy !== undefined) return strategy;
  throw new LockstepError({
    code: 'cli.usage',
    message: `--strategy ${text}: there is no such strategy`,
    hint: `there are: ${SYNC_STRATEGIES.join(', ')}`,
  });
}
