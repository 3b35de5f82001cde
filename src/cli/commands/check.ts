import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { findingsOf, showCheck } from '../show-check.ts';
import { load } from './load.ts';

export async function check(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const config = await load(io, options);
  const program = await io.loadProgram();
  const report = await program.check(config);
  print(io, options, report, () => showCheck(report));
  return findingsOf(report).some(({ ok }) => ok === 'fail') ? 'failed' : 'ok';
}
