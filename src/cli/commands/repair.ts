import { repair as repairCommand } from '../../admin/index.ts';
import type { CliIo } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showSync } from '../show-reports.ts';
import { runLongWork } from './long-work.ts';
import type { WaitOptions } from './long-work.ts';
import { nodeClient } from './node-client.ts';

export async function repair(io: CliIo, member: string | undefined, options: WaitOptions): Promise<ExitCode> {
  return await runLongWork(io, options, await nodeClient(io, options), {
    kind: 'repair',
    command: repairCommand,
    input: member === undefined ? {} : { member },
    end: ({ members }) => ({
      text: members.length === 0 ? 'Nothing is known to differ.' : members.map(showSync).join('\n'),
      code: 'ok',
    }),
  });
}
