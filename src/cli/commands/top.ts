/** What goes on in this moment: traffic, members, clients. On a terminal it goes on until Ctrl-C, elsewhere it is said once. */
import { sessions, status, traffic } from '../../admin/index.ts';
import { LockstepError, pause } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { Screen } from '../screen.ts';
import { showTop } from '../show-top.ts';
import type { Moment } from '../show-top.ts';
import { oneLine } from '../table.ts';
import { untilSignal } from '../until-signal.ts';
import { nodeClient } from './node-client.ts';
import type { NodeClient } from './node-client.ts';

const POLL_MS = 1000;

export async function top(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const now = (): number => io.clock.wallTime().getTime();
  if (options.json === true || io.stdout.isTTY !== true) {
    const moment = await look(node);
    print(io, options, { ...moment, traffic: moment.traffic.at(-1) ?? null }, () => showTop(moment, now()));
    return 'ok';
  }
  return await untilSignal(io, (signal) => live(io, node, signal));
}

async function live(io: CliIo, node: NodeClient, signal: AbortSignal): Promise<void> {
  const screen = new Screen(io.stdout);
  let text = '';
  try {
    while (!signal.aborted) {
      let fault: string[] = [];
      try {
        text = showTop(await look(node), io.clock.wallTime().getTime());
      } catch (error) {
        if (!(error instanceof LockstepError) || error.code !== 'admin.unreachable') throw error;
        fault = [oneLine(error.message)];
      }
      screen.draw([...fault, text].join('\n'));
      await pause(io.clock, POLL_MS, signal);
    }
  } finally {
    screen.leave();
  }
}

async function look(node: NodeClient): Promise<Moment> {
  return {
    status: await node.ask(status, {}),
    traffic: await node.ask(traffic, {}),
    sessions: await node.ask(sessions, {}),
  };
}
