/** The commands that begin work in the node which takes its time: begin, wait, say how it ended. */
import type { Command, JobKind, JobOf, JobStatus } from '../../admin/index.ts';
import { LockstepError } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { followJob, goesOn } from '../follow-job.ts';
import type { NodeClient } from './node-client.ts';

export interface WaitOptions extends CommonOptions {
  /** `--no-wait` makes it false. */
  readonly wait: boolean;
}

export interface LongWork<K extends JobKind, Input> {
  readonly kind: K;
  readonly command: Command<Input, JobStatus>;
  readonly input: Input;
  /** How it ended, in words and as an exit status. */
  readonly end: (result: NonNullable<JobOf<K>['result']>) => {
    readonly text: string;
    readonly code: ExitCode;
  };
}

export async function runLongWork<K extends JobKind, Input>(
  io: CliIo,
  options: WaitOptions,
  node: NodeClient,
  work: LongWork<K, Input>,
): Promise<ExitCode> {
  const begun = await node.ask(work.command, work.input);
  if (!options.wait) {
    print(io, options, begun, () => `Begun: ${goesOn(begun)}`);
    return 'ok';
  }
  const job = await followJob(io, options, node, begun);
  if (job === undefined) return 'detached';
  if (job.error !== null) throw endedBadly(job);
  const { text, code } = work.end(job.result as NonNullable<JobOf<K>['result']>);
  print(io, options, job.result, () => text);
  return code;
}

function endedBadly({ error, state, kind }: JobStatus): LockstepError {
  const { code = '', message = '', hint } = error ?? {};
  return new LockstepError({
    code: state === 'cancelled' ? 'cli.cancelled' : code,
    message: state === 'cancelled' ? `the ${kind} was stopped: ${message}` : message,
    outcome: error?.outcome ?? 'unknown',
    ...(hint !== undefined && { hint }),
  });
}
