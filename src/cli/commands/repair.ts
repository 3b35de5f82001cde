import { repair as repairCommand } from '../../admin/index.ts';
import type { RepairReport } from '../../admin/index.ts';
import type { CliIo } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { showSync } from '../show-reports.ts';
import { oneLine } from '../table.ts';
import { runLongWork } from './long-work.ts';
import type { WaitOptions } from './long-work.ts';
import { nodeClient } from './node-client.ts';

export interface RepairOptions extends WaitOptions {
  readonly dryRun?: boolean;
}

export async function repair(
  io: CliIo,
  member: string | undefined,
  options: RepairOptions,
): Promise<ExitCode> {
  const { dryRun } = options;
  return await runLongWork(io, options, await nodeClient(io, options), {
    kind: 'repair',
    command: repairCommand,
    input: { ...(member !== undefined && { member }), ...(dryRun !== undefined && { dryRun }) },
    end: (report) => ({ text: show(report, dryRun === true), code: 'ok' }),
  });
}

function show({ members, watched }: RepairReport, dryRun: boolean): string {
  const done = [
    ...watched.map(({ member, tables }) => {
      const words = dryRun ? 'would be watched again' : 'are watched again';
      return `On ${member} these tables ${words}: ${oneLine(tables.join(', '))}`;
    }),
    ...members.map(showSync),
  ];
  return done.length === 0 ? 'Nothing is known to differ.' : done.join('\n');
}
