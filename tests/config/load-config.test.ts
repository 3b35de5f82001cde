import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  checkConfig,
  checkConfigText,
  ConfigError,
  configPath,
  loadConfig,
  showProblem,
} from '../../src/config/index.ts';
import type { ConfigCheck } from '../../src/config/index.ts';

const MINIMAL = `cluster: orders
dialect: postgres
username: app
password: { env: ORDERS_PASSWORD }
members:
  - { id: db1, url: "postgres://db1.example:5432/orders", weight: 1 }
  - { id: db2, url: "postgres://127.0.0.1/orders" }
listen: { postgres: "127.0.0.1:6432" }
clients: [app]
state: ./state
`;
const env = { ORDERS_PASSWORD: 'pa55-word' };

function check(
  text: string,
  files: Record<string, { text: string; mode: number }> = {},
): Promise<ConfigCheck> {
  return checkConfigText(text, '/etc/lockstep/lockstep.yaml', {
    env,
    readFile: (path) => {
      const file = files[path];
      return file === undefined ? Promise.reject(new Error('no such file')) : Promise.resolve(file);
    },
  });
}

async function shown(
  text: string,
  files?: Record<string, { text: string; mode: number }>,
): Promise<readonly string[]> {
  return (await check(text, files)).problems.map(showProblem);
}

describe('config: a good file', () => {
  test('config: the smallest file gives every option its default', async () => {
    const { config, problems } = await check(MINIMAL);
    expect(problems).toEqual([]);
    expect(config).toMatchObject({
      cluster: 'orders',
      state: '/etc/lockstep/state',
      balancer: 'least-loaded',
      listen: { postgres: { host: '127.0.0.1', port: 6432 } },
      probe: { intervalMs: 1000, timeoutMs: 1000, threshold: 2, backOffMaxMs: 30_000 },
      deadlines: { connectMs: 3000, commitMs: 5000, loginMs: 15_000, statementMs: 0 },
      sync: { automatic: true, maxBytesPerSecond: 0, retryMaxMs: 300_000 },
      verification: { everyMinutes: 1440, maxBytesPerSecond: 32 * 2 ** 20 },
      limits: { maxClients: 1000, writeSetMemoryBytes: 16 * 2 ** 20, replayBytes: 2 ** 20 },
      logging: { level: 'info', format: 'auto' },
    });
  });

  test('config: a window of the day is two times, also over midnight', async () => {
    const { config } = await check(`${MINIMAL}\nverification: { window: "22:30-05:00" }\n`);
    expect(config?.verification.window).toEqual({ from: 1350, to: 300 });
    const { problems } = await check(`${MINIMAL}\nverification: { window: "25:00-26:00" }\n`);
    expect(problems).toMatchObject([{ key: 'verification.window', severity: 'error' }]);
  });

  test('config: TLS to a member defaults to prefer on loopback and to verify-full elsewhere', async () => {
    const { config } = await check(MINIMAL);
    expect(config?.members.map((member) => [member.host, member.port, member.tls.mode])).toEqual([
      ['db1.example', 5432, 'verify-full'],
      ['127.0.0.1', 5432, 'prefer'],
    ]);
  });

  test('config: a member overrides username, password and parts of tls', async () => {
    const text = `${MINIMAL.replace(
      'id: db1,',
      'id: db1, username: other, password: "theirs", tls: { mode: verify-ca },',
    )}tls: { mode: require, ca: ca.pem }\n`;
    const { config } = await check(text, { '/etc/lockstep/ca.pem': { text: 'PEM', mode: 0o644 } });
    const [db1, db2] = config?.members ?? [];
    expect([db1?.username, db1?.password?.reveal(), db1?.tls]).toEqual([
      'other',
      'theirs',
      { mode: 'verify-ca', ca: 'PEM' },
    ]);
    expect([db2?.username, db2?.password?.reveal(), db2?.tls]).toEqual([
      'app',
      'pa55-word',
      { mode: 'require', ca: 'PEM' },
    ]);
  });

  test('config: sizes may be written with a unit', async () => {
    const { config } = await check(
      `${MINIMAL}log: { retentionBytes: 2 GiB }\nlimits: { classifyBytes: 4096 }\n`,
    );
    expect([config?.log.retentionBytes, config?.limits.classifyBytes]).toEqual([2 * 2 ** 30, 4096]);
  });

  test('config: an IPv6 member and an encoded database name survive the way into the canonical URL', async () => {
    const { config } = await check(
      MINIMAL.replace('postgres://127.0.0.1/orders', 'postgresql://[::1]:5433/my%20db'),
    );
    expect(config?.members[1]).toMatchObject({
      host: '::1',
      port: 5433,
      database: 'my db',
      url: 'postgres://[::1]:5433/my%20db',
      tls: { mode: 'prefer' },
    });
  });

  test('config: it cannot be changed after it was checked', async () => {
    const { config } = await check(MINIMAL);
    expect(
      Object.isFrozen(config) && Object.isFrozen(config?.probe) && Object.isFrozen(config?.members[0]),
    ).toBe(true);
  });

  test('config: no way of printing it shows a password', async () => {
    const { config } = await check(
      MINIMAL.replace('[app]', '[app, { name: reader, password: "pa55-word" }]'),
    );
    expect(config?.clients.map(({ password }) => password?.reveal())).toEqual(['pa55-word', 'pa55-word']);
    const printed = [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      String(config?.password),
    ];
    for (const text of printed) expect(text).not.toContain('pa55-word');
    expect(printed[0]).toContain('[hidden]');
  });

  test('config: the file is named by --config, then LOCKSTEP_CONFIG, then the working directory', () => {
    expect(configPath('a.yaml', { LOCKSTEP_CONFIG: 'b.yaml' })).toBe('a.yaml');
    expect(configPath(undefined, { LOCKSTEP_CONFIG: 'b.yaml' })).toBe('b.yaml');
    expect(configPath(undefined, {})).toBe('lockstep.yaml');
  });
});

describe('config: a bad file', () => {
  test('config: every problem is reported with line, column, key and what is allowed', async () => {
    const text = `${MINIMAL.replace('cluster: orders', 'cluster: "My Cluster"').replace('weight: 1', 'weight: 101')}probe:
  intervalMs: 5
  timeOutMs: 100
balancer: fastest
`;
    expect(await shown(text)).toEqual([
      'lockstep.yaml:1:10: cluster: "My Cluster" is not allowed here\n' +
        '    allowed: 1 to 63 characters, each one of a–z, 0–9, "_" and "-"',
      'lockstep.yaml:6:67: members[0].weight: 101 is not allowed here\n    allowed: whole number, 0 to 100',
      'lockstep.yaml:12:15: probe.intervalMs: 5 is not allowed here\n    allowed: whole number, 50 to 60000 ms',
      'lockstep.yaml:13:3: probe.timeOutMs: there is no such option\n    did you mean: timeoutMs',
      'lockstep.yaml:14:11: balancer: "fastest" is not allowed here\n' +
        '    allowed: `least-loaded`, `round-robin`, `random`, `simple`',
    ]);
  });

  test.each([
    ['probe: { interval_ms: 100 }', 'probe.interval_ms', 'intervalMs'],
    ['memebers: []', 'memebers', 'members'],
    ['commitMs: 100', 'commitMs', 'deadlines.commitMs'],
  ])('config: %s is met with the key that was meant', async (line, key, meant) => {
    const { problems } = await check(`${MINIMAL}${line}\n`);
    expect(problems).toMatchObject([{ key, didYouMean: meant, line: 11, severity: 'error' }]);
  });

  test('config: a key that resembles nothing is met with the keys that exist', async () => {
    const { problems } = await check(`${MINIMAL}probe: { colour: red }\n`);
    expect(problems).toMatchObject([
      {
        key: 'probe.colour',
        allowed: 'intervalMs, timeoutMs, threshold, backOffMaxMs',
        line: 11,
        column: 10,
      },
    ]);
  });

  test('config: an empty file names every key that is missing', async () => {
    const { problems } = await check('');
    expect(problems.map((problem) => `${problem.key} ${problem.message}`)).toEqual([
      'cluster is missing',
      'dialect is missing',
      'members is missing',
      'listen is missing',
      'state is missing',
    ]);
  });

  test('config: broken YAML and a key given twice are named with their line', async () => {
    expect(await shown('cluster: [orders\n')).toEqual([expect.stringMatching(/^lockstep\.yaml:\d+:\d+: /)]);
    const { problems } = await check(`${MINIMAL}cluster: again\n`);
    expect(problems).toMatchObject([{ line: 11, column: 1, message: expect.stringContaining('unique') }]);
  });

  test('config: aliases that multiply are refused', async () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef']) {
      bomb.push(`${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(',')}]`);
    }
    const { problems } = await check(`${bomb.join('\n')}\n`);
    expect(problems).toMatchObject([{ message: expect.stringContaining('alias') }]);
  });

  test.each([
    ['http://127.0.0.1/orders', 'starts with "http://"'],
    ['db1.example:5432', 'starts with'],
    ['postgres:///orders', 'names no host'],
    ['postgres://127.0.0.1:5432', 'names no database'],
    ['postgres://127.0.0.1/orders?sslmode=require', 'after "?"'],
    ['postgres://127.0.0.1/a/b', 'more than one "/"'],
    ['postgres://127.0.0.1/%zz', '"%"'],
    ['nonsense', 'not a URL'],
  ])('config: the member URL %s is refused with its reason', async (url, reason) => {
    const { problems, config } = await check(MINIMAL.replace('postgres://127.0.0.1/orders', url));
    expect(config).toBeUndefined();
    expect(problems).toMatchObject([
      { key: 'members[1].url', line: 7, column: 21, message: expect.stringContaining(reason) },
    ]);
  });

  test.each([
    ['6432', 'host:port'],
    [':6432', 'no host'],
    ['*:6432', '0.0.0.0'],
    ['127.0.0.1:65536', 'no port 65536'],
  ])('config: the listen address %s is refused with its reason', async (address, reason) => {
    const { problems } = await check(MINIMAL.replace('127.0.0.1:6432', address));
    expect(problems).toMatchObject([{ key: 'listen.postgres', message: expect.stringContaining(reason) }]);
  });

  test('config: an unquoted number as password is refused without being shown', async () => {
    const { problems } = await check(MINIMAL.replace('{ env: ORDERS_PASSWORD }', '987654'));
    expect(problems).toMatchObject([{ key: 'password', allowed: expect.stringContaining('text in quotes') }]);
    expect(JSON.stringify(problems)).not.toContain('987654');
  });
});

describe('config: what only the whole file shows', () => {
  test('config: two members with one id are refused', async () => {
    const { problems } = await check(MINIMAL.replace('id: db2', 'id: db1'));
    expect(problems).toMatchObject([
      { key: 'members[1].id', line: 7, message: expect.stringContaining('members[0]') },
    ]);
  });

  test('config: two members with one database are refused, also under two names of this machine', async () => {
    const { problems } = await check(
      MINIMAL.replace('postgres://db1.example:5432/orders', 'postgres://localhost:5432/orders'),
    );
    expect(problems).toMatchObject([
      { key: 'members[1].url', message: 'this is the same database as members[0]' },
    ]);
  });

  test('config: a source that is no member is refused with the one that was meant', async () => {
    const { problems } = await check(`${MINIMAL}source: db_1\n`);
    expect(problems).toMatchObject([{ key: 'source', allowed: 'db1, db2', didYouMean: 'db1' }]);
  });

  test('config: a member without any username is named', async () => {
    const { problems } = await check(
      MINIMAL.replace('username: app\n', '').replace('id: db1,', 'id: db1, username: a,'),
    );
    expect(problems).toMatchObject([{ key: 'members[1]', message: expect.stringContaining('no username') }]);
  });

  const withClients = (clients: string): string => MINIMAL.replace('clients: [app]', `clients: ${clients}`);

  test('config: a client that is listed twice, or proves what it cannot, is refused', async () => {
    for (const [clients, key, message] of [
      ['[u, { name: u, password: "y" }]', 'clients[1].name', 'this name is taken by clients[0]'],
      ['[{ name: u, password: "y", trust: loopback }]', 'clients[0]', 'either `password` or `trust`'],
      ['[{ name: app, password: "z" }]', 'clients[0]', 'write clients: [app]'],
      ['[{ name: u, trust: everybody }]', 'clients[0].trust', 'not allowed'],
      ['[{ nam: u }]', 'clients[0].nam', 'no such option'],
    ] as const) {
      const { problems } = await check(withClients(clients));
      expect(problems, clients).toContainEqual(
        expect.objectContaining({ key, message: expect.stringContaining(message) }),
      );
    }
    const { problems } = await check(MINIMAL.replace('password: { env: ORDERS_PASSWORD }\n', ''));
    expect(problems).toMatchObject([
      { key: 'clients[0]', message: expect.stringContaining('{ name: app, trust: loopback }') },
    ]);
  });

  test('config: a file of the time when `username` let clients in is told the line that it needs', async () => {
    const old = MINIMAL.replace('clients: [app]\n', '');
    expect(await shown(old)).toEqual([expect.stringContaining('`clients: [app]`')]);
    const users = await check(`${old}users: [{ name: reader, password: "x" }]\n`);
    expect(users.problems).toMatchObject([
      {
        key: 'users',
        line: 10,
        severity: 'warning',
        message: expect.stringContaining('this is `clients` now'),
      },
    ]);
    expect(users.config?.clients.map(({ name }) => name)).toEqual(['reader']);
    expect((await check(withClients('[]'))).problems).toEqual([]);
  });

  test('config: where Lockstep needs no password, whoever is on this machine is let in as it, and a warning says so', async () => {
    const bare = MINIMAL.replace('clients: [app]\n', '').replace(/password: .*\n/, '');
    const { config, problems } = await check(bare);
    expect(config?.clients).toEqual([{ name: 'app', trust: 'loopback' }]);
    expect(problems).toMatchObject([
      {
        severity: 'warning',
        message: expect.stringContaining('whoever is on this machine may log in as app'),
      },
    ]);
    for (const other of [
      bare.replace('"127.0.0.1:6432"', '"0.0.0.0:6432"'),
      bare.replace('postgres://127.0.0.1/', 'postgres://app:secret@127.0.0.1/'),
    ])
      expect((await check(other)).problems).toContainEqual(
        expect.objectContaining({ severity: 'error', message: expect.stringContaining('nobody may log in') }),
      );
  });

  test('config: who commands Lockstep is listed as clients are, and says once what it proves', async () => {
    const admin = (users: string): string => `${MINIMAL}admin: { users: ${users} }\n`;
    const { config } = await check(admin('[app, { name: chief, password: "x" }, other]'));
    expect(config?.admin.users.map(({ name, password }) => [name, password?.reveal()])).toEqual([
      ['app', 'pa55-word'],
      ['chief', 'x'],
      ['other', undefined],
    ]);
    const { problems } = await check(admin('[operator, { name: app, trust: loopback }, chief, chief]'));
    expect(problems.map(({ key }) => key)).toEqual([
      'admin.users[0].name',
      'admin.users[1].name',
      'admin.users[3].name',
    ]);
  });

  test.skipIf(process.platform === 'win32')(
    'config: a key that others can read is warned about',
    async () => {
      const files = {
        '/etc/lockstep/c.pem': { text: 'C', mode: 0o644 },
        '/etc/lockstep/k.pem': { text: 'K', mode: 0o644 },
      };
      const { config, problems } = await check(`${MINIMAL}tls: { cert: c.pem, key: k.pem }\n`, files);
      expect(config?.members[0]?.tls.key?.reveal()).toBe('K');
      expect(problems.map((problem) => [problem.severity, problem.key])).toEqual([['warning', 'tls.key']]);
    },
  );

  test('config: a certificate without its key is refused', async () => {
    const files = { '/etc/lockstep/c.pem': { text: 'C', mode: 0o600 } };
    const { problems } = await check(`${MINIMAL}tls: { cert: c.pem }\n`, files);
    expect(problems).toMatchObject([{ key: 'tls.cert', message: '`cert` needs `key` beside it' }]);
  });

  test('config: credentials in a URL are taken, with a warning that does not show them', async () => {
    const { config, problems } = await check(MINIMAL.replace('127.0.0.1/', 'u%40x:p%3Aw@127.0.0.1/'));
    const member = config?.members[1];
    expect([member?.username, member?.password?.reveal(), member?.url]).toEqual([
      'u@x',
      'p:w',
      'postgres://127.0.0.1:5432/orders',
    ]);
    expect(problems).toMatchObject([{ severity: 'warning', key: 'members[1].url' }]);
    expect(problems.map(showProblem).join()).not.toContain('p:w');
  });

  test('config: a password given both in the URL and beside it is refused', async () => {
    const text = MINIMAL.replace('127.0.0.1/', 'u:p@127.0.0.1/').replace(
      'id: db2,',
      'id: db2, password: "q",',
    );
    const { problems } = await check(text);
    expect(problems.filter((problem) => problem.severity === 'error')).toMatchObject([
      { key: 'members[1].url', message: 'the password is given twice: in the URL and as `password`' },
    ]);
  });

  test('config: listening beyond this machine without passwords and TLS is warned about', async () => {
    const open = MINIMAL.replace('[app]', '[{ name: app, trust: loopback }]')
      .replace('127.0.0.1:6432', '0.0.0.0:6432')
      .replace(/password.*\n/, '');
    const { problems, config } = await check(open);
    expect(config).toBeDefined();
    expect(problems.map((problem) => [problem.severity, problem.key])).toEqual([
      ['warning', 'listen.postgres'],
      ['warning', 'listen.postgres'],
    ]);
  });

  test('config: a hook runs a program or posts, is told of events that there are, and hides its address', async () => {
    const hooks = (text: string) => `${MINIMAL}hooks:\n  - ${text}\n`;
    const { config, problems } = await check(
      hooks(
        '{ name: page, on: [member-deactivated], run: [./page.sh, "-v"] }\n  - { name: chat, post: "https://chat.example/t0ken" }',
      ),
    );
    expect(problems).toEqual([]);
    expect(config?.hooks).toMatchObject([
      { name: 'page', run: ['/etc/lockstep/page.sh', '-v'], timeoutMs: 10_000 },
      { name: 'chat', attempts: 5 },
    ]);
    expect(JSON.stringify(config)).not.toContain('t0ken');
    expect((await shown(hooks('{ name: a }'))).join()).toContain('either `run` or `post`');
    expect((await shown(hooks('{ name: a, run: [x], authorization: "y" }'))).join()).toContain(
      'needs `post`',
    );
    expect((await shown(hooks('{ name: a, on: [member-lost], run: [x] }'))).join()).toContain(
      'hooks[0].on[0]',
    );
    const bad = (await shown(hooks('{ name: a, post: "ftp://h/t0ken" }'))).join();
    expect(bad).toContain('hooks[0].post');
    expect(bad).not.toContain('t0ken');
    expect(
      (await shown(hooks('{ name: a, post: "http://chat.example/", authorization: "y" }'))).join(),
    ).toContain('warning: hooks[0].authorization: it crosses the network in the clear');
    expect((await shown(hooks('{ name: a, run: [x] }\n  - { name: a, run: [y] }'))).join()).toContain(
      'this name is taken',
    );
  });

  test('config: operators are reached from elsewhere only when the file says so, and without TLS it warns', async () => {
    const remote = MINIMAL.replace('127.0.0.1:6432"', '127.0.0.1:6432", admin: "0.0.0.0:6480"');
    expect(await shown(remote)).toEqual([
      expect.stringContaining(
        'listen.admin: other machines can reach this address; set `admin.allowRemote: true`',
      ),
    ]);
    const { problems, config } = await check(`${remote}admin: { allowRemote: true }\n`);
    expect(config?.listen.admin).toEqual({ host: '0.0.0.0', port: 6480 });
    expect(problems.map((problem) => [problem.severity, problem.key])).toEqual([['warning', 'listen.admin']]);
  });
});

describe('config: secrets', () => {
  test('config: a secret that is missing, empty or unreadable is named once, where it stands', async () => {
    expect(await shown(MINIMAL.replace('ORDERS_PASSWORD', 'NOT_SET'))).toEqual([
      'lockstep.yaml:4:11: password: the environment variable NOT_SET is not set',
    ]);
    const fromFile = MINIMAL.replace('env: ORDERS_PASSWORD', 'file: secret');
    expect(await shown(fromFile)).toEqual(['lockstep.yaml:4:11: password: cannot be read: no such file']);
    expect(await shown(fromFile, { '/etc/lockstep/secret': { text: '\n', mode: 0o600 } })).toEqual([
      'lockstep.yaml:4:11: password: the secret is empty',
    ]);
  });

  test.skipIf(process.platform === 'win32')(
    'config: a secret file that others can read is warned about, with the cure',
    async () => {
      const text = MINIMAL.replace('env: ORDERS_PASSWORD', 'file: secret');
      const { config, problems } = await check(text, {
        '/etc/lockstep/secret': { text: 's3\r\n', mode: 0o640 },
      });
      expect(config?.password?.reveal()).toBe('s3');
      expect(problems).toMatchObject([
        {
          severity: 'warning',
          key: 'password',
          message: expect.stringContaining('chmod 600 /etc/lockstep/secret'),
        },
      ]);
    },
  );
});

test.each([
  ['postgres://%2Ftmp%2Fsock/orders', /Unix socket/],
  ['postgres://db1,db2/orders', /several hosts/],
])('config: a member that could never be reached is said at once: %s', async (url, fault) => {
  expect((await shown(MINIMAL.replace('postgres://127.0.0.1/orders', url))).join('\n')).toMatch(fault);
});

describe('config: on disk', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockstep-config-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test('config: a file on disk is read with its secrets, and warnings are handed on', async () => {
    const path = join(directory, 'lockstep.yaml');
    await writeFile(path, MINIMAL.replace('env: ORDERS_PASSWORD', 'file: pw'));
    await writeFile(join(directory, 'pw'), 'secret\n');
    await chmod(join(directory, 'pw'), 0o600);
    const warnings: unknown[] = [];
    const config = await loadConfig(path, {}, (problem) => warnings.push(problem));
    expect([config.file, config.state, config.password?.reveal()]).toEqual([
      path,
      join(directory, 'state'),
      'secret',
    ]);
    if (process.platform !== 'win32') expect(warnings).toEqual([]);
  });

  test.runIf(process.platform !== 'win32')(
    'config: a file that others may write, or read where passwords stand in it, is warned of',
    async () => {
      const path = join(directory, 'lockstep.yaml');
      const warned = async (text: string, mode: number): Promise<readonly string[]> => {
        await writeFile(path, text);
        await chmod(path, mode);
        const { problems } = await checkConfig(path, env);
        return problems.map(({ message }) => message);
      };
      const written = MINIMAL.replace('{ env: ORDERS_PASSWORD }', '"in clear"');
      expect(await warned(MINIMAL, 0o644)).toEqual([]);
      expect(await warned(written, 0o600)).toEqual([]);
      expect(await warned(written, 0o640)).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
      expect(await warned(MINIMAL, 0o666)).toEqual([expect.stringContaining(`chmod go-w ${path}`)]);
    },
  );

  test('config: a file that is not there is said to be missing, with the ways to name one', async () => {
    await expect(loadConfig(join(directory, 'none.yaml'), {})).rejects.toMatchObject({
      code: 'config.unreadable',
      hint: expect.stringContaining('--config'),
    });
  });

  test('config: a bad file throws one error that carries all problems', async () => {
    const path = join(directory, 'lockstep.yaml');
    await writeFile(path, 'cluster: x\nnonsense: 1\n');
    const error = await loadConfig(path, {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems.length).toBe(5);
    expect((error as ConfigError).message).toContain('lockstep.yaml:2:1: nonsense: there is no such option');
  });

  test('config: a file that is far too large is not read', async () => {
    const path = join(directory, 'lockstep.yaml');
    await writeFile(path, '#'.repeat(1024 * 1024 + 1));
    await expect(loadConfig(path, {})).rejects.toMatchObject({ code: 'config.unreadable' });
  });
});
