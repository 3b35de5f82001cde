import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { checkConfigText, draftOf, readForeign, renderDraft } from '../../src/config/index.ts';
import type { Config, ConfigDraft } from '../../src/config/index.ts';
import { walkSchema } from '../../src/config/schema-tree.ts';

const options = {
  listen: { postgres: '127.0.0.1:6432', admin: '127.0.0.1:6480' },
  state: './state',
  place: (name: string) => ({ file: `./${name}` }),
};

const minimal: ConfigDraft = {
  cluster: 'orders',
  username: 'app',
  password: { env: 'ORDERS_PASSWORD' },
  members: [{ id: 'db1', url: 'postgres://db1.example:5432/orders' }],
  clients: ['app'],
  listen: { postgres: '127.0.0.1:6432' },
  state: './state',
  notes: ['A note.'],
};

async function imported(name: string): Promise<{
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly draft: ConfigDraft;
}> {
  const text = await readFile(new URL(`foreign/${name}`, import.meta.url), 'utf8');
  const read = readForeign(text, name);
  const draft = draftOf(read, options);
  return { config: await good(draft), warnings: read.warnings, draft };
}

async function good(draft: ConfigDraft): Promise<Config> {
  const { config, problems } = await checkConfigText(renderDraft(draft), 'lockstep.yaml', {
    env: { ORDERS_PASSWORD: 'x' },
    readFile: (path) => Promise.resolve({ text: `in ${path}`, mode: 0o600 }),
  });
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  return config as Config;
}

describe('config: a new file', () => {
  test('config: it is a good file, and names every option of the schema', async () => {
    const text = renderDraft(minimal);
    expect(await good(minimal)).toMatchObject({ cluster: 'orders', balancer: 'least-loaded' });
    for (const { path } of walkSchema()) {
      if (['members', 'clients', 'tls', 'hooks'].includes(path[0] ?? '') && path.length > 1) continue;
      if (path[0] === 'admin' && path.length > 2) continue;
      expect(text).toMatch(new RegExp(`^[# ]*${path.at(-1)}:`, 'm'));
    }
    expect(text).toContain('# A note.');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test('config: a section whose marks are taken off is good: it says the defaults', async () => {
    const text = renderDraft(minimal);
    const taken = text
      .split('\n\n')
      .filter((block) => /^# (probe|deadlines|log|sync|verification|limits|logging):$/m.test(block))
      .map((block) => block.slice(block.search(/^# \w+:$/m)).replaceAll(/^# /gm, ''));
    expect(taken).toHaveLength(7);
    // Where there is no default there is nothing to say.
    const bare = taken.join('\n').replaceAll(/^ {2}\w+:\n/gm, '');
    const { problems, config } = await checkConfigText(`${text}\n${bare}\n`, 'lockstep.yaml', {
      env: { ORDERS_PASSWORD: 'x' },
      readFile: () => Promise.reject(new Error('no file is needed')),
    });
    expect(problems).toEqual([]);
    expect(config).toEqual(await good(minimal));
  });

  test('config: values that YAML would take for something else stay text', async () => {
    const odd = {
      ...minimal,
      cluster: 'true',
      username: '007',
      members: [{ id: 'no', url: 'postgres://h:1/a%20b' }],
    };
    expect(await good(odd)).toMatchObject({ cluster: 'true', username: '007', members: [{ id: 'no' }] });
  });
});

describe('config: import', () => {
  test('config: import: HA-JDBC 1 and 2: elements, a common login, weights, TLS', async () => {
    const { config, warnings } = await imported('ha-jdbc-1.1.xml');
    expect(config).toMatchObject({
      cluster: 'plant-north',
      username: 'scada',
      balancer: 'round-robin',
      members: [
        { id: 'database1', url: 'postgres://north.example:5432/plant', weight: 2 },
        { id: 'database2', url: 'postgres://south.example:5433/plant', weight: 1, tls: { mode: 'require' } },
      ],
    });
    expect(warnings.join('\n')).toMatch(/transaction-mode parallel/);
    expect(warnings.join('\n')).toMatch(/currentSchema/);
    expect(warnings.join('\n')).toMatch(/detect-sequences was off: sequences may differ/);
    expect(warnings.join('\n')).toMatch(/properties of sync full/);
    expect(warnings.filter((text) => text.startsWith('threads'))).toHaveLength(1);
  });

  test('config: import: a password is decoded, kept out of the file, and each in its own place', async () => {
    const places: string[] = [];
    const read = readForeign(
      await readFile(new URL('foreign/ha-jdbc-1.1.xml', import.meta.url), 'utf8'),
      'ha-jdbc.xml',
    );
    const draft = draftOf(read, {
      ...options,
      place: (name, text) => (places.push(`${name} ${text}`), { env: 'P' }),
    });
    expect(places).toEqual(['password pa&ss']);
    expect(renderDraft(draft)).not.toContain('pa&ss');
  });

  test('config: import: HA-JDBC 3: attributes, encoded passwords, databases that cannot be members', async () => {
    const { config, warnings, draft } = await imported('ha-jdbc-3.0.xml');
    expect(draft).toMatchObject({
      cluster: 'cluster',
      username: 'postgres',
      balancer: 'least-loaded',
      members: [
        { id: 'db1', url: 'postgres://10.0.0.1:5432/orders', weight: 0 },
        {
          id: 'db2',
          url: 'postgres://10.0.0.2:6000/orders',
          username: 'replica',
          password: { file: './db2' },
        },
      ],
    });
    expect(config.members).toHaveLength(2);
    const all = warnings.join('\n');
    for (const said of [
      /db3 is left out: it holds a variable/,
      /db4 runs mysql/,
      /several engines/,
      /allow-empty-cluster/,
      /surprise is not known/,
    ])
      expect(all).toMatch(said);
    // Safe as it was: nothing to say.
    expect(all).not.toMatch(/eval-rand/);
  });

  test('config: import: database.cluster.xml: a login for all, one that is not active, a weight beyond the bound', async () => {
    const { config, warnings } = await imported('database.cluster.xml');
    expect(config).toMatchObject({
      username: 'server',
      members: [
        { id: 'main', url: 'postgres://127.0.0.1:5432/server', weight: 1 },
        { id: 'backup', weight: 100 },
      ],
    });
    expect(warnings.join('\n')).toMatch(/backup was not active there, so its data are behind/);
    expect(warnings.join('\n')).toMatch(/only by hand/);
  });

  test('config: import: Sequoia: backends, weights of the balancer, logins that must be roles', async () => {
    const { config, warnings } = await imported('sequoia.xml');
    expect(config).toMatchObject({
      cluster: 'mydb',
      username: 'shop',
      balancer: 'round-robin',
      members: [
        { id: 'left', weight: 3 },
        { id: 'right', weight: 1 },
      ],
      clients: [{ name: 'shop' }, { name: 'reporting' }],
    });
    const all = warnings.join('\n');
    for (const said of [
      /first database had it/,
      /CREATE ROLE "reporting"/,
      /nobody has no password/,
      /several controllers/,
      /RecoveryLog/,
    ])
      expect(all).toMatch(said);
  });

  test('config: import: what is no such file, or holds no database that can be a member, is refused', async () => {
    const codeOf = (text: string): unknown => {
      try {
        readForeign(text, 'x.xml');
        return undefined;
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    expect(codeOf('<beans/>')).toBe('config.import-unknown');
    expect(codeOf('not xml')).toBe('config.import-unreadable');
    expect(codeOf('<ha-jdbc><cluster>')).toBe('config.import-unreadable');
    expect(codeOf('')).toBe('config.import-unreadable');
    expect(
      codeOf(await readFile(new URL('foreign/ha-jdbc-2.0-datasource.xml', import.meta.url), 'utf8')),
    ).toBe('config.import-empty');
    expect(
      codeOf(
        '<VirtualDatabase name="x"><DatabaseBackend name="a" url="jdbc:postgresql://h/d"/><RequestManager><LoadBalancer><RAIDb-2/></LoadBalancer></RequestManager></VirtualDatabase>',
      ),
    ).toBe('config.import-partial');
  });

  test('config: import: entities are not expanded, and nothing outside is read', () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><ha-jdbc><cluster><database url="&b;"/></cluster></ha-jdbc>`;
    expect(() => readForeign(bomb, 'x.xml')).toThrow(/declares entities/);
    const outside = `<!DOCTYPE x SYSTEM "file:///etc/passwd"><ha-jdbc><cluster><database id="a" user="&passwd;" url="jdbc:postgresql://h/d"/></cluster></ha-jdbc>`;
    expect(readForeign(outside, 'x.xml').members[0]?.username).toBe('&passwd;');
  });
});
