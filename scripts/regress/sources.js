/** PostgreSQL's sources, and what of them has to be built for its regression suite. */

import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../house.js';

const run = promisify(execFile);

/** Functions in C that some tests need, and those that the server brings along, in one folder. */
export async function buildLibraries(suite, work) {
  const folder = join(work, 'libraries');
  mkdirSync(folder);
  const config = (word) => run('pg_config', [word]).then(({ stdout }) => stdout.trim());
  const include = await config('--includedir-server').catch(() => fail('pg_config is not installed'));
  const installed = await config('--pkglibdir');
  for (const name of readdirSync(installed)) {
    if (name.endsWith('.so')) symlinkSync(join(installed, name), join(folder, name));
  }
  const output = join(folder, 'regress.so');
  rmSync(output, { force: true });
  await run('cc', [
    '-shared',
    '-fPIC',
    '-w',
    `-I${include}`,
    `-I${suite}`,
    '-o',
    output,
    join(suite, 'regress.c'),
  ]).catch((error) =>
    console.error(`regress.c could not be built, tests that need it fail on both: ${error.message}`),
  );
  // The servers may run under another account.
  await run('chmod', ['-R', 'a+rX', work]);
  return folder;
}

/** With apt's own sources of packages, asked for sources too; nothing of the machine's settings is changed. */
export async function fetchSources(major, work) {
  const apt = join(work, 'apt');
  for (const folder of ['parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  for (const name of existsSync('/etc/apt/sources.list.d') ? readdirSync('/etc/apt/sources.list.d') : [])
    copySources(join('/etc/apt/sources.list.d', name), join(apt, 'parts', name));
  copySources('/etc/apt/sources.list', join(apt, 'parts', 'main.list'));
  const settings = [
    '-o',
    'Dir::Etc::sourcelist=/dev/null',
    '-o',
    `Dir::Etc::sourceparts=${join(apt, 'parts')}`,
    '-o',
    `Dir::State::lists=${join(apt, 'lists')}`,
    '-o',
    `Dir::Cache=${join(apt, 'cache')}`,
  ];
  const name = `postgresql-${major}`;
  console.error('fetching the sources ...');
  const quiet = { cwd: apt, maxBuffer: 1 << 26 };
  await run('apt-get', [...settings, 'update', '-qq'], quiet).catch((error) =>
    fail(`apt-get update: ${error.stderr}`),
  );
  const { stdout } = await run('apt-cache', [...settings, 'showsrc', '--only-source', name], quiet);
  // A mirror may list more than it has.
  const versions = new Set(stdout.match(/(?<=^Version: ).*$/gm));
  for (const version of versions) {
    if (
      await run('apt-get', [...settings, 'source', '-qq', `${name}=${version}`], quiet).catch(() => undefined)
    )
      break;
  }
  const unpacked = readdirSync(apt).find((file) => file.startsWith(`${name}-`));
  if (unpacked === undefined)
    fail(`no sources of ${name} could be fetched and unpacked: give them with --source <folder>`);
  return join(apt, unpacked);
}

function copySources(from, to) {
  if (!existsSync(from)) return;
  const text = readFileSync(from, 'utf8');
  // Of the distribution's own alone: others have no sources of this package.
  if (!/debian|ubuntu/i.test(text)) return;
  cpSync(from, to);
  writeFileSync(to, text.replaceAll(/^Types:.*$/gm, 'Types: deb-src').replaceAll(/^deb /gm, 'deb-src '));
}
