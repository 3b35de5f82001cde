import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startDemoMembers } from '../../src/testing/index.ts';
import { connect, waitFor } from '../support/index.ts';

test('demo: the members keep addresses, password and data from run to run', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lockstep-test-'));
  const dir = join(home, '.demo');

  const first = await startDemoMembers({ dir, count: 2 });
  for (const { url } of first.members) {
    const client = await connect(url);
    const { rows } = await client.query<{ who: string; db: string; super: boolean; fsync: string }>(
      `select current_user as who, current_database() as db, rolsuper as super, current_setting('fsync') as fsync
       from pg_roles where rolname = current_user`,
    );
    expect(rows).toEqual([{ who: 'lockstep', db: 'demo', super: true, fsync: 'on' }]);
    await client.query('create table kept (n int)');
    await client.end();
    const wrong = url.replace(first.keeper.password, 'wrong');
    await expect(connect(wrong)).rejects.toMatchObject({ code: '28P01' });
    const own = new URL(url);
    own.username = first.client.name;
    own.password = first.client.password;
    const visitor = await connect(own.href);
    await visitor.query('create table own (n int)');
    await expect(visitor.query('create role more')).rejects.toMatchObject({ code: '42501' });
    await visitor.end();
  }
  for (const { file } of [first.keeper, first.client]) expect((await stat(file)).mode & 0o777).toBe(0o600);
  await first.stop();
  await expect(connect(first.members[0]?.url ?? '')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

  const second = await startDemoMembers({ dir, count: 2 });
  expect(second.members).toEqual(first.members);
  for (const { url } of second.members) {
    const client = await connect(url);
    expect((await client.query('select from kept')).rowCount).toBe(0);
    await client.end();
  }
  await second.stop();
  await rm(home, { recursive: true });
});

test('demo: a member that somebody kills is started again', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lockstep-test-'));
  const demo = await startDemoMembers({ dir: join(home, '.demo'), count: 1, restartMs: 10 });
  const [{ id, url } = { id: '', url: '' }] = demo.members;
  const lock = join(home, '.demo', id, 'data', 'postmaster.pid');
  const pidOf = async (): Promise<number> => Number((await readFile(lock, 'utf8')).split('\n')[0]);
  const killed = await pidOf();
  process.kill(killed, 'SIGKILL');
  const client = await waitFor(async () => ((await pidOf()) === killed ? undefined : await connect(url)), {
    what: 'the member to answer again',
  });
  await client?.end();
  await demo.stop();
  await expect(connect(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await rm(home, { recursive: true });
});
