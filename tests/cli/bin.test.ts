import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-bin-'));
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
  await cp(fileURLToPath(new URL('../../bin', import.meta.url)), join(directory, 'bin'), { recursive: true });
});
afterEach(() => rm(directory, { recursive: true }));

const start = () =>
  spawnSync(process.execPath, [join(directory, 'bin/lockstep.js'), 'x'], { encoding: 'utf8' });

test('cli: a program that was not built says how to build it', () => {
  const { status, stderr } = start();
  expect([status, stderr]).toEqual([
    1,
    'lockstep: the program has not been built\n  hint: run: npm run build\n',
  ]);
});

test('cli: a program that was built is started with its arguments', async () => {
  await mkdir(join(directory, 'dist/cli'), { recursive: true });
  await writeFile(join(directory, 'dist/cli/main.js'), 'console.log(process.argv[2]); process.exitCode = 4;');
  const { status, stdout } = start();
  expect([status, stdout]).toEqual([4, 'x\n']);
});
