import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { load } from './load.ts';

export async function remove(io: CliIo, member: string, options: CommonOptions): Promise<ExitCode> {
  const config = await load(io, options);
  const program = await io.loadProgram();
  const message = await program.removeMember(config, member);
  print(io, options, { changed: true, message }, () => message);
  return 'ok';
}
