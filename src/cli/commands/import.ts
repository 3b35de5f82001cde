/** From the file of another product to a configuration, with what has no counterpart said. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { LockstepError, messageOf } from '../../base/index.ts';
import { configPath, draftOf, readForeign } from '../../config/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { NewConfig } from '../new-config.ts';
import { next } from './init.ts';

export interface ImportOptions extends CommonOptions {
  readonly cluster?: string;
  readonly username?: string;
  readonly passwordEnv?: string;
  readonly listen: string;
  readonly admin?: string;
  readonly state: string;
}

export async function importFile(io: CliIo, source: string, options: ImportOptions): Promise<ExitCode> {
  const file = await NewConfig.at(configPath(options.config, io.env), io.env);
  const read = readForeign(await foreignText(source), basename(source));
  const { cluster, username, passwordEnv, listen, admin, state } = options;
  const members = read.members.map((member) =>
    username === undefined || member.username !== undefined ? member : { ...member, username },
  );
  if (members.some((member) => member.username === undefined)) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `${source} names no user for some of its databases`,
      hint: 'give one with --username',
    });
  }
  const draft = draftOf(
    { ...read, members },
    {
      cluster,
      listen: { postgres: listen, ...(admin !== undefined && { admin }) },
      state,
      place: (name, password) =>
        name === 'password' && passwordEnv !== undefined ? { env: passwordEnv } : file.keep(name, password),
    },
  );
  await file.check(draft);
  const written = await file.write(draft);
  print(io, options, { written, product: read.product, warnings: read.warnings }, () =>
    [
      `${read.product}: ${members.map(({ id, url }) => `${id} at ${url}`).join(', ')}`,
      ...read.warnings.map((text) => `warning: ${text}`),
      '',
      next(file, written),
    ].join('\n'),
  );
  return 'ok';
}

async function foreignText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `${path} cannot be read: ${messageOf(error)}`,
      cause: error,
    });
  }
}
