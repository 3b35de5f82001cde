import { expect, test } from 'vitest';
import { changedOptions, checkConfigText, isLive, takeLive } from '../../src/config/index.ts';
import type { Config } from '../../src/config/index.ts';
import { schemaAt, walkSchema } from '../../src/config/schema-tree.ts';

const BASE = `
cluster: orders
dialect: postgres
username: app
password: "one"
clients: [app]
members:
  - { id: db1, url: "postgres://127.0.0.1:5432/orders" }
  - { id: db2, url: "postgres://127.0.0.1:5433/orders" }
listen: { postgres: "127.0.0.1:6432" }
state: .
`;

async function read(text: string): Promise<Config> {
  const { config, problems } = await checkConfigText(text, '/etc/lockstep.yaml', {
    env: {},
    readFile: (path) => Promise.resolve({ text: path, mode: 0o600 }),
  });
  expect(problems).toEqual([]);
  return config as Config;
}

const changed = async (more: string, base = BASE) =>
  changedOptions(await read(base), await read(`${base}${more}`));

test('config: live: the options that are taken over, and those that wait, are told apart', async () => {
  expect(await changed('')).toEqual({ live: [], needsRestart: [] });
  expect(
    await changed(`
balancer: random
probe: { intervalMs: 500 }
deadlines: { commitMs: 6000, statementMs: 1 }
limits: { maxClients: 5 }
sync: { automatic: false, pgDump: ./pg_dump }
admin: { users: [{ name: reader, password: "x" }] }
logging: { level: debug, format: json }
`),
  ).toEqual({
    live: [
      'admin.users',
      'balancer',
      'probe.intervalMs',
      'deadlines.commitMs',
      'deadlines.statementMs',
      'sync.automatic',
      'logging.level',
    ].sort(),
    needsRestart: ['sync.pgDump', 'limits.maxClients', 'logging.format'].sort(),
  });
});

test('config: live: another secret is a change although both look alike', async () => {
  const other = BASE.replace('"one"', '"two"');
  expect(changedOptions(await read(BASE), await read(other)).live).toEqual([
    'clients',
    'members[0].password',
    'members[1].password',
    'password',
  ]);
});

test('config: live: another address and another password are taken over; a password waits with the name that it belongs to', async () => {
  const before = await read(BASE);
  const moved = await read(BASE.replace('5433/orders', '5434/orders2').replace('"one"', '"two"'));
  expect(changedOptions(before, moved).needsRestart).toEqual([]);
  expect(takeLive(before, moved)).toEqual(moved);
  const renamed = await read(BASE.replace('username: app', 'username: keeper').replace('"one"', '"two"'));
  expect(changedOptions(before, renamed).live).toEqual([]);
  expect(takeLive(before, renamed)).toEqual(before);
});

test('config: live: members are known by their id', async () => {
  const before = await read(BASE);
  const swapped = BASE.replace(/ {2}- \{ id: db1.*\n/, '').replace(
    'listen:',
    '  - { id: db1, weight: 5, url: "postgres://127.0.0.1:5432/orders" }\nlisten:',
  );
  const after = await read(swapped);
  expect(changedOptions(before, after)).toEqual({ live: ['members[1].weight'], needsRestart: [] });
  expect(takeLive(before, after).members.map(({ id, weight }) => [id, weight])).toEqual([
    ['db1', 5],
    ['db2', 1],
  ]);
  const without = await read(BASE.replace(/ {2}- \{ id: db1.*\n/, ''));
  expect(changedOptions(before, without)).toEqual({ live: [], needsRestart: ['members'] });
  expect(changedOptions(without, before)).toEqual({ live: [], needsRestart: ['members[0]'] });
});

test('config: live: what is in force then differs from the file only in what waits', async () => {
  const before = await read(BASE);
  const after = await read(`${BASE}
limits: { maxClients: 5 }
sync: { automatic: false, pgDump: ./pg_dump }
logging: { level: debug, format: json }
verification: { everyMinutes: 5 }
`);
  const taken = takeLive(before, after);
  expect(changedOptions(taken, after)).toEqual({
    live: [],
    needsRestart: ['sync.pgDump', 'limits.maxClients', 'logging.format'].sort(),
  });
  expect(taken).toMatchObject({ sync: { automatic: false }, verification: { everyMinutes: 5 } });
});

test('config: live: whatever is called live is taken over, all of it', async () => {
  const before = await read(BASE);
  const after = await read(
    `${BASE.replace('6432" }', '6432", tls: { cert: c.pem, key: k.pem } }').replace('id: db1,', 'id: db1, weight: 7,')}
admin: { users: [{ name: reader, password: "x" }] }
balancer: simple
probe: { intervalMs: 60, timeoutMs: 70, threshold: 9, backOffMaxMs: 200 }
deadlines: { connectMs: 60, commitMs: 70, stopMs: 5 }
sync: { automatic: false, maxBytesPerSecond: 5 MiB }
verification: { everyMinutes: 5, holdMs: 20 }
hooks: [{ name: a, run: [x] }]
logging: { level: trace }
`,
  );
  const { live, needsRestart } = changedOptions(before, after);
  expect(needsRestart).toEqual([]);
  const roots = 'listen admin.users balancer probe deadlines sync verification hooks logging members'.split(
    ' ',
  );
  for (const root of roots)
    expect(
      live.some((path) => path.startsWith(root)),
      root,
    ).toBe(true);
  expect(takeLive(before, after)).toEqual(after);
});

test('config: live: every option is said to be live or not, and what is called live is an option', () => {
  const paths = [...walkSchema()].map(({ path }) => path.join('.'));
  const live = paths.filter(isLive);
  for (const path of [
    'balancer',
    'listen.tls',
    'members.weight',
    'clients',
    'clients.name',
    'admin.users',
    'members.url',
    'members.password',
    'password',
    'probe.intervalMs',
    'logging.level',
  ])
    expect(live).toContain(path);
  for (const path of [
    'cluster',
    'members',
    'username',
    'members.username',
    'listen',
    'listen.postgres',
    'state',
    'sync.pgDump',
    'limits.maxClients',
  ])
    expect(live).not.toContain(path);
});

test('config: what every object has by nature is no option', () => {
  for (const path of [
    ['__proto__', 'x'],
    ['constructor', 'prototype', 'x'],
    ['probe', 'toString', 'x'],
  ])
    expect(schemaAt(path), path.join('.')).toBeUndefined();
});
