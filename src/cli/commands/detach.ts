import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { load } from './load.ts';

export async function detach(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const config = await load(io, options);
  const program = await io.loadProgram();
  const report = await program.detach(config);
  print(io, options, report, () =>
    report.members
      .map(({ id, ok, message }) => `${id}: ${ok ? 'detached' : 'not detached'}: ${message}`)
      .join('\n'),
  );
  return report.members.every(({ ok }) => ok) ? 'ok' : 'failed';
}
