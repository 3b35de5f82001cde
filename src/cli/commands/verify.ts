import { verification, verify as verifyCommand } from '../../admin/index.ts';
import type { VerifyReport, VerifyRequest } from '../../admin/index.ts';
import { parseRate } from '../byte-size.ts';
import { print } from '../cli-io.ts';
import type { CliIo } from '../cli-io.ts';
import { exitCodeOf } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { explain, showError } from '../show-error.ts';
import { showLastVerification, showVerification } from '../show-reports.ts';
import { runLongWork } from './long-work.ts';
import type { WaitOptions } from './long-work.ts';
import { nodeClient } from './node-client.ts';

export interface VerifyOptions extends WaitOptions {
  readonly tables?: string;
  readonly rate?: string;
  /** Show the last one, and make none. */
  readonly last?: boolean;
}

const CODES: Readonly<Record<VerifyReport['outcome'], ExitCode>> = {
  equal: 'ok',
  differs: 'differs',
  unchecked: 'unchecked',
};

export async function verify(io: CliIo, options: VerifyOptions): Promise<ExitCode> {
  if (options.last === true) return await showLast(io, options);
  const { tables, rate } = options;
  const names = tables
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const input: VerifyRequest = {
    ...(names !== undefined && { tables: names }),
    ...(rate !== undefined && { rate: parseRate('--rate', rate) }),
  };
  const node = await nodeClient(io, options);
  try {
    return await runLongWork(io, options, node, {
      kind: 'verify',
      command: verifyCommand,
      input,
      end: (report) => ({ text: showVerification(report), code: CODES[report.outcome] }),
    });
  } catch (error) {
    // Whatever kept it from being done, it says nothing about the members.
    await showError(io, error, options.json === true);
    const code = exitCodeOf(explain(error));
    return code === 'usage' || code === 'unreachable' ? code : 'unchecked';
  }
}

async function showLast(io: CliIo, options: VerifyOptions): Promise<ExitCode> {
  const node = await nodeClient(io, options);
  const report = await node.ask(verification, {});
  print(io, options, report, () =>
    report === null ? 'There was no verification yet.' : showLastVerification(report),
  );
  return report === null ? 'unchecked' : CODES[report.outcome];
}
