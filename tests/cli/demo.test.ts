import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectionUrl, demoText, snippet } from '../../src/cli/index.ts';
import type { RunningDemo } from '../../src/cli/index.ts';
import { FakeCli } from './fake-cli.ts';

const run = promisify(execFile);

const running: RunningDemo = {
  address: '127.0.0.1:6432',
  ended: new Promise(() => {}),
  stop: () => Promise.resolve(),
  connection: { host: '127.0.0.1', port: 6432, username: 'demo', password: 'a b$`"\'!', database: 'demo' },
  members: [{ id: 'db1', url: 'postgresql://127.0.0.1:7001/demo' }],
  configFile: '/demo/lockstep.yaml',
  adminUrl: 'http://127.0.0.1:6480',
  tokenFile: '/demo/state/admin-token',
};

test('cli: demo: it prints a psql line, a program and the way to the status', () => {
  const text = demoText(running);
  expect(text).toContain(`psql "${connectionUrl(running.connection)}"`);
  expect(text).toContain('npx lockstep status --config "/demo/lockstep.yaml"');
  expect(text).toContain("import pg from 'pg';");
});

test('cli: demo: the URL survives shell quotes and JavaScript quotes, whatever is in it', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.string({ unit: 'grapheme-ascii', minLength: 1 }),
      (password, name) => {
        const url = connectionUrl({ host: '::1', port: 1, username: name, password, database: name });
        expect(url).toMatch(/^[\w.:/@%[\]~-]+$/);
        const parsed = new URL(url);
        expect(decodeURIComponent(parsed.password)).toBe(password);
        expect(decodeURIComponent(parsed.username)).toBe(name);
      },
    ),
  );
});

test('cli: demo: the printed program is one that Node accepts', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-demo-'));
  const file = join(directory, 'try.mjs');
  await writeFile(file, snippet(connectionUrl(running.connection)));
  await run(process.execPath, ['--check', file]);
  await rm(directory, { recursive: true });
});

test('cli: demo: options reach the program, and Ctrl-C stops it', async () => {
  let given: unknown[] = [];
  const cli = new FakeCli({
    demo: ({ directory, port, adminPort, onProgress }) => {
      given = [directory, port, adminPort];
      onProgress('starting db1');
      return Promise.resolve(running);
    },
  });
  const status = cli.run('demo', '--dir', '/demo', '--port', '7000', '--admin-port', '7001');
  while (cli.stdout === '') await new Promise((resolve) => setImmediate(resolve));
  cli.signals.emit('SIGINT');
  expect(await status).toBe(0);
  expect(given).toEqual(['/demo', 7000, 7001]);
  expect(cli.stderr).toContain('starting db1');
  expect(cli.stdout).toBe(demoText(running));
});

test('cli: demo: a port that is none has status 2', async () => {
  for (const port of ['x', '65536', '-1', '']) {
    expect(await new FakeCli().run('demo', `--port=${port}`)).toBe(2);
  }
});
