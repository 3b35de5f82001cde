import type { Config } from '../../config/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';

/** The configuration of a command, with its warnings handed on. */
export async function load(io: CliIo, options: CommonOptions): Promise<Config> {
  const { configPath, loadConfig, showProblem } = await import('../../config/index.ts');
  return await loadConfig(configPath(options.config, io.env), io.env, (problem) => {
    io.stderr.write(`${showProblem(problem)}\n`);
  });
}
