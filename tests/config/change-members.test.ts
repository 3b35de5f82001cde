import {
  chmod,
  chown,
  lstat,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { planMember, planWithoutMember } from '../../src/config/index.ts';
import type { RunningConfig } from '../../src/config/index.ts';

const posix = process.platform !== 'win32';
const superuser = process.geteuid?.() === 0;
const TEXT = `# ours
cluster: orders
dialect: postgres
username: app   # everywhere
members:
  - { id: db1, url: "postgres://127.0.0.1:5432/orders" }
  - { id: db2, url: "postgres://127.0.0.1:5433/orders" }
listen: { postgres: "127.0.0.1:6432" }
clients: []
state: ./state
`;
const WITH_DB3 = TEXT.replace('listen', '  - { id: db3, url: "postgres://127.0.0.1:5434/orders" }\nlisten');
const db3 = { id: 'db3', url: 'postgres://127.0.0.1:5434/orders' };

let directory: string;
let file: string;
let running: RunningConfig;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-config-'));
  file = join(directory, 'lockstep.yaml');
  await writeFile(file, TEXT, { mode: 0o640 });
  running = {
    file,
    cluster: 'orders',
    members: [
      { id: 'db1', url: 'postgres://127.0.0.1:5432/orders' },
      { id: 'db2', url: 'postgres://127.0.0.1:5433/orders' },
    ],
  };
});
afterEach(async () => {
  await chmod(directory, 0o700);
  await rm(directory, { recursive: true });
});

const text = () => readFile(file, 'utf8');

test('config: change: a member is added only when that is applied, and is what the file says', async () => {
  const { member, apply } = await planMember(
    running,
    { ...db3, weight: 3, password: { env: 'PW' } },
    { PW: 'pa55' },
  );
  expect(member).toMatchObject({ id: 'db3', port: 5434, weight: 3, username: 'app' });
  expect(member.password?.reveal()).toBe('pa55');
  expect(await text()).toBe(TEXT);
  await apply();
  expect(await text()).toContain(
    `  - { id: db3, url: "postgres://127.0.0.1:5434/orders", weight: 3, password: { env: PW } }\nlisten`,
  );
  expect(await readdir(directory)).toEqual(['lockstep.yaml']);
});

test('config: change: a member is removed again, and the file is what it was', async () => {
  await (await planMember(running, db3)).apply();
  expect(await text()).toBe(WITH_DB3);
  await (await planWithoutMember({ ...running, members: [...running.members, db3] }, 'db3')).apply();
  expect(await text()).toBe(TEXT);
});

test('config: change: what the configuration does not allow is refused as in the file, and nothing changes', async () => {
  const wrong = [
    { entry: { ...db3, url: 'mysql://127.0.0.1/orders' }, code: 'config.invalid' },
    { entry: { ...db3, url: 'postgres://localhost:5433/orders' }, code: 'config.invalid' },
    { entry: { ...db3, weight: 1000 }, code: 'config.invalid' },
    { entry: { ...db3, password: { env: 'NOT_SET' } }, code: 'config.invalid' },
  ];
  for (const { entry, code } of wrong) {
    await expect(planMember(running, entry, {})).rejects.toMatchObject({ code, outcome: 'none' });
  }
  await expect(planMember(running, { ...db3, url: 'postgres://localhost:5433/orders' })).rejects.toThrow(
    'this is the same database as members[1]',
  );
  expect(await text()).toBe(TEXT);
});

test('config: change: a file that says so already needs no change, even if it cannot be changed', async () => {
  await writeFile(file, WITH_DB3);
  await chmod(file, 0o444);
  const { member, apply } = await planMember(running, db3);
  await apply();
  expect([member.port, await text()]).toEqual([5434, WITH_DB3]);
  const gone = await planWithoutMember(
    { ...running, members: [...running.members, { id: 'db4', url: 'x' }] },
    'db4',
  ).catch((error: unknown) => error);
  // db3 stands in the file and not in the node: that is another matter than db4.
  expect(gone).toMatchObject({ code: 'config.edited-members' });
  await (
    await planWithoutMember(
      { ...running, members: [...running.members, db3, { id: 'db4', url: 'x' }] },
      'db4',
    )
  ).apply();
  expect(await text()).toBe(WITH_DB3);
});

test('config: change: a member that stands in the file with another address is refused', async () => {
  await writeFile(file, WITH_DB3);
  await expect(planMember(running, { ...db3, url: 'postgres://127.0.0.1:9/orders' })).rejects.toMatchObject({
    code: 'config.member-differs',
    message: expect.stringContaining('5434'),
  });
});

test.runIf(posix)(
  'config: change: a read-only file stays as it is, and the line to put in is told',
  async () => {
    await chmod(file, 0o444);
    await expect(planMember(running, db3)).rejects.toMatchObject({
      code: 'config.not-writable',
      hint: expect.stringContaining('\n  - { id: db3, url: "postgres://127.0.0.1:5434/orders" }'),
    });
    await expect(planWithoutMember(running, 'db2')).rejects.toMatchObject({
      code: 'config.not-writable',
      hint: expect.stringContaining('Take db2 out'),
    });
    expect(await text()).toBe(TEXT);
  },
);

test('config: change: a file whose members are not those of the node is the operator’s, and is left alone', async () => {
  await writeFile(file, TEXT.replace('5433', '9999'));
  await expect(planMember(running, db3)).rejects.toMatchObject({
    code: 'config.edited-members',
    message: expect.stringContaining('its db2 is at postgres://127.0.0.1:9999/orders'),
  });
  await writeFile(file, TEXT.replace(/ {2}- \{ id: db2.*\n/, ''));
  await expect(planMember(running, db3)).rejects.toThrow('it lacks db2');
  await writeFile(file, TEXT.replace('cluster: orders', 'cluster: other'));
  await expect(planWithoutMember(running, 'db2')).rejects.toThrow('it is for the cluster other');
  await writeFile(file, 'cluster: [');
  await expect(planMember(running, db3)).rejects.toMatchObject({ code: 'config.invalid' });
  await rm(file);
  await expect(planMember(running, db3)).rejects.toMatchObject({ code: 'config.unreadable' });
});

test('config: change: options that were edited meanwhile stay edited', async () => {
  await writeFile(
    file,
    TEXT.replace('username: app   # everywhere', 'username: app # changed\nbalancer: random'),
  );
  await (await planMember(running, db3)).apply();
  expect(await text()).toContain('username: app # changed\nbalancer: random\n');
  expect(await text()).toContain('id: db3');
});

test('config: change: an edit between the look and the change is not overwritten', async () => {
  const { apply } = await planMember(running, db3);
  await writeFile(file, `${TEXT}# a thought\n`);
  await expect(apply()).rejects.toMatchObject({
    code: 'config.edited-meanwhile',
    outcome: 'none',
    retryable: true,
  });
  expect(await text()).toBe(`${TEXT}# a thought\n`);
  expect(await readdir(directory)).toEqual(['lockstep.yaml']);
});

test.runIf(posix)(
  'config: change: mode, owner and links stay, and what a crash left is replaced',
  async () => {
    const link = join(directory, 'link.yaml');
    await symlink('lockstep.yaml', link);
    if (superuser) await chown(file, 12345, 23456);
    await chmod(file, 0o646);
    await writeFile(`${file}.new`, 'torn', { mode: 0o400 });
    await (await planMember({ ...running, file: link }, db3)).apply();
    const { mode, uid, gid } = await stat(file);
    expect(mode & 0o7777).toBe(0o646);
    if (superuser) expect([uid, gid]).toEqual([12345, 23456]);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect([await text(), await readdir(directory)]).toEqual([WITH_DB3, ['link.yaml', 'lockstep.yaml']]);
  },
);
