/** A configuration that is about to be written: proven first, and never over something that is there. */
import { access, open, readFile, rm } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { LockstepError, messageOf } from '../base/index.ts';
import { checkConfigText, ConfigError, renderDraft } from '../config/index.ts';
import type { Config, ConfigDraft, Environment, SecretPlace } from '../config/index.ts';

export class NewConfig {
  /** Absolute. */
  readonly path: string;
  readonly #env: Environment;
  /** Files beside it that hold a password each, to be written with it. */
  readonly #secrets = new Map<string, string>();

  /** Throws when the file is there already. */
  static async at(path: string, env: Environment): Promise<NewConfig> {
    const made = new NewConfig(resolve(path), env);
    if (await exists(made.path)) throw existing(made.path);
    return made;
  }

  private constructor(path: string, env: Environment) {
    this.path = path;
    this.#env = env;
  }

  /** Where this password will be found: in a file beside the configuration, for its owner only. */
  keep(name: string, password: string): SecretPlace {
    const stem = basename(this.path, extname(this.path));
    const file = `${stem}${name === 'password' ? '' : `-${name.replaceAll(/[^\w-]/g, '_')}`}.password`;
    this.#secrets.set(join(dirname(this.path), file), password);
    return { file: `./${file}` };
  }

  /** The configuration that the file will be. Throws a `ConfigError` that names every problem. */
  async check(draft: ConfigDraft): Promise<Config> {
    const { config, problems } = await checkConfigText(renderDraft(draft), this.path, {
      env: this.#env,
      readFile: async (path) => {
        const text = this.#secrets.get(path);
        return text === undefined
          ? { text: await readFile(path, 'utf8'), mode: 0o600 }
          : { text, mode: 0o600 };
      },
    });
    if (config !== undefined) return config;
    throw new ConfigError(
      this.path,
      problems.filter(({ severity }) => severity === 'error'),
    );
  }

  /** All of it or nothing; the paths that were made, the configuration last. */
  async write(draft: ConfigDraft): Promise<readonly string[]> {
    const files = [...this.#secrets, [this.path, renderDraft(draft)] as const];
    const made: string[] = [];
    try {
      for (const [path, text] of files) {
        const handle = await open(path, 'wx', 0o600);
        made.push(path);
        try {
          await handle.writeFile(text);
          await handle.sync();
        } finally {
          await handle.close();
        }
      }
      return made;
    } catch (error) {
      await Promise.all(made.map((path) => rm(path, { force: true })));
      throw unwritten(error);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function existing(path: string): LockstepError {
  return new LockstepError({
    code: 'cli.file-exists',
    message: `${path} is there already, and is left as it is`,
    hint: 'name another file with --config, or move this one away',
  });
}

function unwritten(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return error;
  if (error.code === 'EEXIST') return existing(String(error.path));
  return new LockstepError({
    code: 'cli.not-written',
    message: `nothing is written: ${messageOf(error)}`,
    hint: 'name a file in a directory that is there and may be written to, with --config',
    cause: error,
  });
}
