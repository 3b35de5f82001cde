/** A node that is told to stop, as its users run it. */

import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { FakeCli } from '../cli/fake-cli.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import { connect } from '../support/connect.ts';
import { startNodeProcess, waitFor, withServers } from '../support/index.ts';
import type { NodeProcess } from '../support/index.ts';
import { nodeConfig } from '../support/start-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const fixture = withServers(2);
let cluster: FreshCluster;
let node: NodeProcess | undefined;
afterEach(async () => {
  await node?.stop('SIGKILL');
  node = undefined;
  await cluster.stop();
});

async function start(
  deadlines: Readonly<Record<string, number>> = {},
): Promise<{ url: string; exit: Promise<unknown[]> }> {
  cluster = await FreshCluster.prepare(fixture.servers, { config: { deadlines } });
  node = await startNodeProcess(fixture.servers, cluster.nodeOptions());
  const url = new URL(node.url);
  url.pathname = cluster.database;
  return { url: url.href, exit: once(node.child, 'exit') };
}

const valueOf = async (id: string): Promise<unknown> =>
  (await cluster.member(id).ask('select value from counters where client = 1'))[0]?.[0];

/** What a client is told when it is sent away. */
function farewell(client: Awaited<ReturnType<typeof connect>>): Promise<{ code?: string }> {
  return new Promise((resolve) => client.once('error', resolve));
}

test('stop: idle sessions are told 57P01, a running transaction ends, nobody new is let in, and the status is 0', async () => {
  const { url, exit } = await start();
  const [idle, busy] = [await connect(url), await connect(url)];
  const sentAway = farewell(idle);
  await busy.query('begin');
  await busy.query('update counters set value = 7 where client = 1');
  node?.child.kill('SIGTERM');
  expect(await sentAway).toMatchObject({ code: '57P01' });
  await expect(connect(url)).rejects.toMatchObject({ code: '57P03' });
  const afterwards = farewell(busy);
  await busy.query('update counters set value = value + 1 where client = 1');
  await busy.query('commit');
  expect(await afterwards).toMatchObject({ code: '57P01' });
  expect(await exit).toEqual([0, null]);
  expect([await valueOf('db1'), await valueOf('db2')]).toEqual(['8', '8']);
});

test('stop: a transaction that goes on beyond the deadline is told 57P01 too, and nothing of it stays', async () => {
  const { url, exit } = await start({ stopMs: 425 });
  const before = await valueOf('db1');
  const [open, running] = [await connect(url), await connect(url)];
  const sentAway = [farewell(open), farewell(running)];
  await open.query('begin');
  await open.query('update counters set value = 99 where client = 1');
  const answer = running.query('select pg_sleep(600)').catch((error: unknown) => error);
  await waitFor(
    async () =>
      (
        await cluster
          .member('db1')
          .ask(`select from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()`)
      ).length +
        (
          await cluster
            .member('db2')
            .ask(
              `select from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()`,
            )
        ).length >
      0,
    { what: 'the statement to run' },
  );
  node?.child.kill('SIGTERM');
  expect(await answer).toMatchObject({ code: '57P01' });
  expect(await sentAway[0]).toMatchObject({ code: '57P01' });
  expect(await exit).toEqual([0, null]);
  expect([await valueOf('db1'), await valueOf('db2')]).toEqual([before, before]);
});

test('stop: a second signal stops it at once', async () => {
  const { url, exit } = await start({ stopMs: 600_000 });
  const busy = await connect(url);
  await busy.query('begin');
  node?.child.kill('SIGTERM');
  await waitFor(() => node?.output().includes('once more to stop at once'), { what: 'it to be stopping' });
  node?.child.kill('SIGTERM');
  expect(await exit).toEqual([143, null]);
});

test('stop: a supervisor that asked for it is told when clients are let in, and when it stops', async () => {
  cluster = await FreshCluster.prepare(fixture.servers);
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-notify-'));
  try {
    const file = join(directory, 'lockstep.yaml');
    await writeFile(file, nodeConfig(fixture.servers, cluster.nodeOptions()));
    const [told, program] = [join(directory, 'told'), join(directory, 'systemd-notify')];
    await writeFile(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> '${told}'\n`);
    await chmod(program, 0o755);
    const env = { NOTIFY_SOCKET: '/run/notify', PATH: `${directory}${delimiter}${process.env['PATH']}` };
    const { program: wiring } = await import('../../src/cli/wiring.ts');
    const cli = new FakeCli(wiring, env);
    const ended = cli.run('serve', '--config', file);
    const text = (): Promise<string> => readFile(told, 'utf8').catch(() => '');
    await waitFor(async () => (await text()).includes('READY=1'), { what: 'it to be ready' });
    expect(await text()).toMatch(
      new RegExp(`^/run/notify --pid=${process.pid} READY=1 STATUS=cluster test is served on 127`),
    );
    cli.signals.emit('SIGTERM');
    expect(await ended).toBe(0);
    await waitFor(async () => (await text()).includes('STOPPING=1'), { what: 'it to say that it stops' });
    const alone = new FakeCli(wiring, { ...env, PATH: '/nowhere' });
    const second = alone.run('serve', '--config', file);
    await waitFor(() => alone.stderr.includes('systemd cannot be told READY=1'), { what: 'the warning' });
    alone.signals.emit('SIGTERM');
    expect(await second).toBe(0);
  } finally {
    await rm(directory, { recursive: true });
  }
});
