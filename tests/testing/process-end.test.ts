import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlive } from '../../src/testing/postgres/process-tree.ts';
import { waitFor } from '../support/index.ts';

/** A process of its own needs JavaScript, so these tests run what was built. */
const kit = join(import.meta.dirname, '../../dist/testing/index.js');

const owner = `
  const { startServers } = await import(${JSON.stringify(kit)});
  const [server] = await startServers(1, { durable: false, templates: process.env.TMPDIR });
  if (process.argv[1] === 'paused') await server.pause();
  process.on('message', () => process.exit());
  process.send({ pid: server.pid, dir: server.dir });
`;

let temporary: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'lockstep-test-'));
});

afterAll(() => rm(temporary, { recursive: true }));

interface Case {
  readonly end: 'exit' | NodeJS.Signals;
  readonly state: 'running' | 'paused';
}

const cases: readonly Case[] = [
  ...(['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((end) => ({ end, state: 'running' }) as const),
  { end: 'exit', state: 'paused' },
  { end: 'SIGTERM', state: 'paused' },
  // Nobody is left to end the server then: the kernel does, on Linux.
  ...(process.platform === 'linux' ? [{ end: 'SIGKILL', state: 'running' } as const] : []),
];

test.for(cases)(
  'process end: by $end, a server that is $state ends too',
  async ({ end, state }, { skip }) => {
    if (!existsSync(kit)) skip('the program is not built');
    const child = spawn(process.execPath, ['--input-type=module', '--eval', owner, state], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // What a killed process leaves behind goes when the tests are done.
      env: { ...process.env, TMPDIR: temporary },
    });
    const [told] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown];
    expect(told).toMatchObject({ pid: expect.any(Number) as number });
    const { pid, dir } = told as { pid: number; dir: string };
    expect(isAlive(pid)).toBe(true);
    const ended = once(child, 'exit');
    if (end === 'exit') child.send('end');
    else child.kill(end);
    expect(await ended).toEqual(end === 'exit' ? [0, null] : [null, end]);
    await waitFor(() => !isAlive(pid), { what: 'the server to end' });
    const home = dirname(dir);
    expect(existsSync(home)).toBe(end === 'SIGKILL');
  },
);
