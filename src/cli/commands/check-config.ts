import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';

export async function checkConfigFile(
  io: CliIo,
  file: string | undefined,
  options: CommonOptions,
): Promise<ExitCode> {
  const { checkConfig, configPath, showProblem } = await import('../../config/index.ts');
  const path = configPath(file ?? options.config, io.env);
  const { config, problems } = await checkConfig(path, io.env);
  const verdict = config === undefined ? `${path} cannot be used` : `${path} is good`;
  print(io, options, { ok: config !== undefined, problems, config }, () =>
    [...problems.map(showProblem), verdict].join('\n'),
  );
  return config === undefined ? 'usage' : 'ok';
}
