/** The one door from a file and the environment to a checked configuration. */
import { open } from 'node:fs/promises';
import { basename, resolve as resolvePath } from 'node:path';
import { LockstepError, messageOf } from '../base/index.ts';
import { checkSense } from './check-sense.ts';
import { checkShape } from './check-shape.ts';
import type { Complaint } from './check-shape.ts';
import type { Config } from './config.ts';
import { ConfigError, showKey } from './problem.ts';
import type { ConfigProblem } from './problem.ts';
import { resolveConfig } from './resolve.ts';
import type { Surroundings } from './resolve.ts';
import { SourceText } from './source-text.ts';

export type Environment = Surroundings['env'];

/** The configuration, when there is no error; and everything that is wrong or unwise, in the order of the file. */
export interface ConfigCheck {
  readonly config?: Config;
  readonly problems: readonly ConfigProblem[];
}

/** `--config`, else `$LOCKSTEP_CONFIG`, else `./lockstep.yaml`. */
export function configPath(option: string | undefined, env: Environment): string {
  return option ?? env['LOCKSTEP_CONFIG'] ?? 'lockstep.yaml';
}

/** Reads and checks the file; throws a `ConfigError` that names every problem. */
export async function loadConfig(
  path: string,
  env: Environment,
  onWarning: (problem: ConfigProblem) => void = () => {},
): Promise<Config> {
  const { config, problems } = await checkConfig(path, env);
  if (config === undefined) {
    throw new ConfigError(
      path,
      problems.filter((problem) => problem.severity === 'error'),
    );
  }
  problems.forEach(onWarning);
  return config;
}

export async function checkConfig(path: string, env: Environment): Promise<ConfigCheck> {
  let text: string;
  let mode: number;
  try {
    ({ text, mode } = await readFile(path));
  } catch (error) {
    throw new LockstepError({
      code: 'config.unreadable',
      message: `the configuration ${path} cannot be read: ${messageOf(error)}`,
      hint: 'name the file with --config or LOCKSTEP_CONFIG; docs/reference/configuration.md begins with an example',
      cause: error,
    });
  }
  const { problems, ...check } = await checkConfigText(text, path, { env, readFile });
  return { ...check, problems: [...openToOthers(path, mode, text), ...problems] };
}

/** Who may write the file runs programs as the node; who may read it knows the passwords that are written in it. */
function openToOthers(path: string, mode: number, text: string): readonly ConfigProblem[] {
  // Windows has no such bits.
  if (process.platform === 'win32') return [];
  const warning = (message: string): ConfigProblem => ({
    severity: 'warning',
    file: basename(path),
    line: 1,
    column: 1,
    key: '',
    message,
  });
  if ((mode & 0o022) !== 0)
    return [
      warning(
        `the file can be written by others on this machine, who could make the node run their programs; cure: chmod go-w ${path}`,
      ),
    ];
  return (mode & 0o044) !== 0 && holdsSecrets(new SourceText(text).value)
    ? [warning(`passwords are written in the file, and others can read it; cure: chmod 600 ${path}`)]
    : [];
}

function holdsSecrets(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) =>
    typeof inner === 'string'
      ? key === 'password' || key === 'authorization' || /^[a-z]+:\/\/[^/@]*:[^/@]*@/i.test(inner)
      : holdsSecrets(inner),
  );
}

/** The same for a text that is already at hand; `path` is what messages and relative paths refer to. */
export async function checkConfigText(
  text: string,
  path: string,
  surroundings: Surroundings,
): Promise<ConfigCheck> {
  const source = new SourceText(text);
  const file = basename(path);
  if (source.faults.length > 0) {
    return { problems: source.faults.map((fault) => ({ severity: 'error', file, key: '', ...fault })) };
  }
  const { options, complaints } = checkShape(source.value ?? {});
  if (options === undefined) return { problems: place(complaints, source, file) };
  const resolved = await resolveConfig(resolvePath(path), options, surroundings);
  const problems = place([...complaints, ...checkSense(options), ...resolved.complaints], source, file);
  if (problems.some((problem) => problem.severity === 'error')) return { problems };
  return { config: deepFreeze(resolved.config), problems };
}

function place(complaints: readonly Complaint[], source: SourceText, file: string): readonly ConfigProblem[] {
  return complaints
    .map(
      ({ path, atKey, severity, ...rest }): ConfigProblem => ({
        file,
        severity: severity ?? 'error',
        ...(atKey === true ? source.locateKey(path) : source.locateValue(path)),
        key: showKey(path),
        ...rest,
      }),
    )
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

/** No file that is named here has any business being larger. */
const FILE_BYTES_MAX = 1024 * 1024;

export const readFile: Surroundings['readFile'] = async (path) => {
  const handle = await open(path, 'r');
  try {
    const { mode, size } = await handle.stat();
    if (size > FILE_BYTES_MAX) throw new Error(`the file has ${size} bytes, more than ${FILE_BYTES_MAX}`);
    return { text: await handle.readFile('utf8'), mode };
  } finally {
    await handle.close();
  }
};

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object);
  }
  return Object.freeze(value);
}
