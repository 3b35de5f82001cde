/** The status again and again: drawn in place on a terminal, elsewhere a line for whatever changes. */
import { status as statusCommand } from '../admin/index.ts';
import type { ClusterStatus, MemberStatus } from '../admin/index.ts';
import { LockstepError, pause } from '../base/index.ts';
import type { CliIo, CommonOptions } from './cli-io.ts';
import type { NodeClient } from './commands/node-client.ts';
import type { ExitCode } from './exit-codes.ts';
import { Screen } from './screen.ts';
import { PHASES, progressSentence, syncHeadline } from './show-progress.ts';
import { showStatus } from './show-status.ts';
import { oneLine } from './table.ts';

const POLL_MS = 1000;
/** Where lines stay: how far work is, at most this often. */
const PROGRESS_LINE_MS = 10_000;

/** Until Ctrl-C. A node that does not answer is waited for. */
export async function watchStatus(io: CliIo, options: CommonOptions, node: NodeClient): Promise<ExitCode> {
  const view =
    options.json === true ? jsonLines(io) : io.stdout.isTTY === true ? screenView(io) : plainLines(io);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  io.signals.on('SIGINT', end);
  io.signals.on('SIGTERM', end);
  try {
    while (!stop.signal.aborted) {
      view.frame(await look(node));
      await pause(io.clock, POLL_MS, stop.signal);
    }
    return 'ok';
  } finally {
    view.end();
    io.signals.off('SIGINT', end);
    io.signals.off('SIGTERM', end);
  }
}

async function look(node: NodeClient): Promise<ClusterStatus | LockstepError> {
  try {
    return await node.ask(statusCommand, {});
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'admin.unreachable') return error;
    throw error;
  }
}

interface View {
  frame(seen: ClusterStatus | LockstepError): void;
  end(): void;
}

function screenView(io: CliIo): View {
  const screen = new Screen(io.stdout);
  let last = '';
  return {
    frame: (seen) => {
      if (!(seen instanceof LockstepError)) last = showStatus(seen, io.clock.wallTime().getTime());
      const text = seen instanceof LockstepError ? [last, oneLine(seen.message)] : [last];
      screen.draw([...text, '', 'Ctrl-C ends this.'].join('\n'));
    },
    end: () => screen.leave(),
  };
}

function jsonLines(io: CliIo): View {
  return {
    frame: (seen) => {
      const line =
        seen instanceof LockstepError ? { error: { code: seen.code, message: seen.message } } : seen;
      io.stdout.write(`${JSON.stringify(line)}\n`);
    },
    end: () => undefined,
  };
}

function plainLines(io: CliIo): View {
  let before = new Map<string, string>();
  let progressMs = -Infinity;
  const say = (text: string): void => {
    const time = io.clock.wallTime().toISOString().slice(11, 19);
    io.stdout.write(`${time} ${oneLine(text)}\n`);
  };
  return {
    frame: (seen) => {
      const now = io.clock.monotonicMs();
      const facts = seen instanceof LockstepError ? new Map([['node', seen.message]]) : factsOf(seen);
      const due = now - progressMs >= PROGRESS_LINE_MS;
      for (const [key, text] of facts) if (before.get(key) !== text) say(text);
      if (due && !(seen instanceof LockstepError)) {
        for (const member of seen.members.filter(({ sync }) => sync?.state === 'running')) {
          progressMs = now;
          if (member.sync?.progress) say(`${member.id}: ${progressSentence(member.sync.progress)}`);
        }
      }
      before = facts;
    },
    end: () => undefined,
  };
}

/** What is worth a line when it changes. */
function factsOf(status: ClusterStatus): Map<string, string> {
  const active = status.members.filter((member) => member.active).length;
  const facts = new Map([
    ['node', `cluster ${status.cluster}: ${active} of ${status.members.length} members active`],
    ['primary', `primary ${status.primary ?? 'none'}`],
  ]);
  for (const member of status.members) {
    facts.set(member.id, memberFact(member));
    const { sync } = member;
    if (sync === null) continue;
    // When the next attempt is due does not change by the second; that one is due does.
    const headline = syncHeadline(member.id, sync, Number.NaN);
    const phase = sync.progress === null ? '' : `, ${PHASES[sync.progress.phase]}`;
    facts.set(`${member.id} sync`, `${headline}${phase}`);
  }
  const { outcome, at } = status.verification;
  if (at !== null) facts.set('verification', `verification at ${at}: ${outcome}`);
  return facts;
}

function memberFact({ id, state, role, reason }: MemberStatus): string {
  return `member ${id} is ${state}${role === 'none' ? '' : ` (${role})`}${reason === null ? '' : `: ${reason}`}`;
}
