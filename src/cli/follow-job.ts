/**
 * Waits for long work in the node, and shows how far it is. The work belongs to the node: Ctrl-C ends the waiting, not the
 * work.
 */
import { jobs, status } from '../admin/index.ts';
import type { JobStatus, MemberStatus } from '../admin/index.ts';
import { LockstepError, messageOf, pause } from '../base/index.ts';
import type { CliIo, CommonOptions } from './cli-io.ts';
import type { NodeClient } from './commands/node-client.ts';
import { Screen } from './screen.ts';
import { PHASES, progressLine, progressSentence, syncHeadline } from './show-progress.ts';
import { oneLine } from './table.ts';

const POLL_MS = 500;
/** Where lines stay, one this often. */
const PLAIN_LINE_MS = 10_000;

/** Undefined: nobody waits for it any more, and it goes on. */
export async function followJob(
  io: CliIo,
  options: CommonOptions,
  node: NodeClient,
  begun: JobStatus,
): Promise<JobStatus | undefined> {
  const show = options.json === true ? quiet : io.stderr.isTTY === true ? live(io) : plain(io);
  const detach = new AbortController();
  const leave = (): void => detach.abort();
  io.signals.on('SIGINT', leave);
  io.signals.on('SIGTERM', leave);
  try {
    for (let job = begun; ; job = await look(node, begun)) {
      if (job.state !== 'running') return job;
      if (detach.signal.aborted) {
        show.end();
        io.stderr.write(`lockstep: ${goesOn(job)}\n`);
        return undefined;
      }
      const member = await memberOf(node, job);
      // The member's own status is of this moment, also while nothing is reported.
      show.frame({ ...job, progress: member?.sync?.progress ?? job.progress }, member);
      await pause(io.clock, POLL_MS, detach.signal);
    }
  } finally {
    show.end();
    io.signals.off('SIGINT', leave);
    io.signals.off('SIGTERM', leave);
  }
}

/** How to see it and how to stop it. */
export function goesOn(job: JobStatus): string {
  const stop =
    job.kind === 'sync' && job.member !== null
      ? `lockstep sync cancel ${job.member}`
      : `lockstep jobs cancel ${job.id}`;
  return `job ${job.id} goes on in the node; to see it: lockstep jobs; to stop it: ${stop}`;
}

async function look(node: NodeClient, begun: JobStatus): Promise<JobStatus> {
  try {
    const [job] = await node.ask(jobs, { job: begun.id });
    if (job?.startedAt === begun.startedAt) return job;
  } catch (error) {
    throw lostSight(begun, messageOf(error));
  }
  throw lostSight(begun, 'the node was started again meanwhile');
}

function lostSight(job: JobStatus, why: string): LockstepError {
  return new LockstepError({
    code: 'cli.lost-sight',
    message: `what became of job ${job.id} is not known: ${why}`,
    outcome: 'unknown',
    hint: 'lockstep status shows where the members are. A member that is behind is brought level again when the node runs.',
  });
}

/** Strategy and source are told by the member's own status. */
async function memberOf(node: NodeClient, job: JobStatus): Promise<MemberStatus | undefined> {
  if (job.member === null) return undefined;
  try {
    const { members } = await node.ask(status, {});
    return members.find(({ id }) => id === job.member);
  } catch (error) {
    throw lostSight(job, messageOf(error));
  }
}

interface Show {
  frame(job: JobStatus, member: MemberStatus | undefined): void;
  end(): void;
}

const quiet: Show = { frame: () => undefined, end: () => undefined };

function live(io: CliIo): Show {
  const screen = new Screen(io.stderr);
  return {
    frame: (job, member) =>
      screen.draw(
        [headline(io, job, member), job.progress === null ? '' : `  ${progressLine(job.progress)}`].join(
          '\n',
        ),
      ),
    end: () => screen.clear(),
  };
}

/** For a log: a line when the phase changes, and now and then. */
function plain(io: CliIo): Show {
  let last = '';
  let sinceMs = 0;
  return {
    frame: (job, member) => {
      const { progress } = job;
      const now = io.clock.monotonicMs();
      const subject = headline(io, job, member);
      const phase = `${subject} ${progress === null ? '' : PHASES[progress.phase]}`;
      if (phase === last && now - sinceMs < PLAIN_LINE_MS) return;
      last = phase;
      sinceMs = now;
      io.stderr.write(`${subject}${progress === null ? '' : `: ${progressSentence(progress)}`}\n`);
    },
    end: () => undefined,
  };
}

function headline(io: CliIo, job: JobStatus, member: MemberStatus | undefined): string {
  if (member?.sync) return oneLine(syncHeadline(member.id, member.sync, io.clock.wallTime().getTime()));
  return job.member === null ? job.kind : `${job.member}: ${job.kind}`;
}
