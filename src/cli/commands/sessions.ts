/** Clients that are logged in. */
import { cancelSession, sessions as sessionsCommand } from '../../admin/index.ts';
import type { SessionInfo } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { duration } from '../show-status.ts';
import { oneLine, table } from '../table.ts';
import { nodeClient } from './node-client.ts';

export async function showSessions(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const list = await node.ask(sessionsCommand, {});
  const now = io.clock.wallTime().getTime();
  print(io, options, list, () => (list.length === 0 ? 'No client is logged in.' : sessionTable(list, now)));
  return 'ok';
}

export function sessionTable(list: readonly SessionInfo[], now: number): string {
  return table(
    ['SESSION', 'USER', 'APPLICATION', 'ADDRESS', 'STATE', 'FOR', 'MEMBER', 'STATEMENT'],
    list.map(({ id, user, application, address, state, since, member, statement }) => [
      String(id),
      user,
      application ?? '-',
      address,
      state,
      duration(Math.max(0, now - Date.parse(since))),
      member ?? '-',
      oneLine(statement ?? ''),
    ]),
  );
}

export async function cancel(io: CliIo, text: string, options: CommonOptions): Promise<ExitCode> {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `${text} is not the number of a session`,
      hint: 'lockstep sessions shows them',
    });
  }
  const node = await nodeClient(io, options);
  const result = await node.ask(cancelSession, { session: Number(text) });
  print(io, options, result, () => result.message);
  return 'ok';
}
