/** `init` and `import`: the files that they write, and that they write over nothing. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CheckReport } from '../../src/cli/index.ts';
import type { Config } from '../../src/config/index.ts';
import { waitFor } from '../support/index.ts';
import { FakeCli } from './fake-cli.ts';
import { atTerminal, shownBy } from './terminal.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lockstep-init-'));
  file = join(directory, 'lockstep.yaml');
});
afterEach(() => rm(directory, { recursive: true }));

const HA_JDBC = fileURLToPath(new URL('../config/foreign/ha-jdbc-3.0.xml', import.meta.url));

const looked: Config[] = [];
const checking =
  (bad: readonly string[] = []) =>
  (config: Config): Promise<CheckReport> => {
    looked.push(config);
    const members = config.members.map(({ id, url, port }) => ({
      id,
      url,
      findings: [
        bad.includes(String(port))
          ? ({ name: 'connection', ok: 'fail', found: 'refused', cure: 'start it' } as const)
          : ({ name: 'server version', ok: 'ok', found: 'PostgreSQL 18' } as const),
      ],
    }));
    return Promise.resolve({ members, cluster: [] });
  };

const MEMBERS = 'postgres://127.0.0.1:5432/orders right=postgres://127.0.0.1:5433/orders';

const given = (...more: readonly string[]): string[] =>
  `init --cluster orders --username lockstep --client app --password-env PW --member ${MEMBERS}`
    .split(' ')
    .concat('--config', file, more);

test('cli: init: with options alone it tests the databases and writes a file that config check accepts', async () => {
  looked.length = 0;
  const cli = new FakeCli({ check: checking() }, { PW: 'secret' });
  expect(await cli.run(...given())).toBe(0);
  expect(looked[0]?.members.map(({ id }) => id)).toEqual(['db1', 'right']);
  expect(cli.stdout).toContain('PostgreSQL 18');
  const check = new FakeCli({}, { PW: 'secret' });
  expect(await check.run('config', 'check', file)).toBe(0);
  expect(check.stdout).toContain('is good');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('cli: init: never over a file that is there', async () => {
  await writeFile(file, 'mine');
  const cli = new FakeCli({ check: checking() }, { PW: 'secret' });
  expect(await cli.run(...given())).toBe(4);
  expect(cli.stderr).toContain('is there already');
  expect(await readFile(file, 'utf8')).toBe('mine');
});

test('cli: init: a database that cannot be a member stops it, unless nobody looks', async () => {
  const cli = new FakeCli({ check: checking(['5433']) }, { PW: 'secret' });
  expect(await cli.run(...given())).toBe(1);
  expect(cli.stdout).toContain('cure: start it');
  expect(await readdir(directory)).toEqual([]);
  const blind = new FakeCli({}, { PW: 'secret' });
  expect(await blind.run(...given('--no-check', '--json'))).toBe(0);
  expect(blind.json()).toMatchObject({ written: [file], report: null });
});

test('cli: init: where nobody can be asked, it says what is missing; a wrong option is named', async () => {
  const cli = new FakeCli();
  expect(await cli.run('init', '--config', file, '--cluster', 'orders')).toBe(2);
  expect(cli.stderr).toContain('no --username, no --member, no --client');
  const url = new FakeCli({}, { PW: 'x' });
  expect(await url.run(...given('--member', 'postgres://u:hush@h:1/d'))).toBe(2);
  expect(url.stderr).toContain('a password does not belong in a URL');
  expect(url.stderr).not.toContain('hush');
  const missing = new FakeCli({ check: checking() });
  expect(await missing.run(...given())).toBe(2);
  expect(missing.stderr).toContain('the environment variable PW is not set');
  expect(await readdir(directory)).toEqual([]);
});

function endOf(question: RegExp, text: string): number {
  const match = question.exec(text);
  return match === null ? 0 : match.index + match[0].length;
}

/** Answers each question when it is asked. */
async function converse(cli: FakeCli, answers: readonly (readonly [RegExp, string])[]): Promise<void> {
  let read = 0;
  for (const [question, answer] of answers) {
    const end = await waitFor(() => endOf(question, cli.stdout.slice(read)), {
      what: `the question ${question}`,
    });
    read += end;
    cli.stdin.write(`${answer}\n`);
  }
}

test('cli: init: asks, tests each database, keeps the password in a file beside, and asks again where an answer is wrong', async () => {
  const cli = new FakeCli({ check: checking(['5999']) }, {}, { columns: 80, rows: 24 });
  const ended = cli.run('init', '--config', file);
  await converse(cli, [
    [/Name of the cluster \[main\]: /, 'Not A Name'],
    [/1 to 63 characters[^]*Name of the cluster \[main\]: /, 'plant'],
    [/Lockstep works on the databases \[lockstep\]: /, ''],
    [/Its password [^]*: /, 'hush hush'],
    [/clients log in[^]*\[app\]: /, ' , '],
    [/name one at least[^]*\[app\]: /, 'app, report,app'],
    [/The first database [^]*: /, 'nonsense'],
    [/this is not a URL[^]*: /, 'postgres://127.0.0.1:5432/plant'],
    [/PostgreSQL 18[^]*The next database[^:]*: /, 'postgres://127.0.0.1:5999/plant'],
    [/cure: start it[^]*Keep db2 all the same[^:]*: /, ''],
    [/The next database[^:]*: /, 'postgres://127.0.0.1:5433/plant'],
    [/The next database[^:]*: /, ''],
    [/clients find the node \[127.0.0.1:6432\]: /, ':1'],
    [/no host is named[^]*: /, ''],
    [/Address of the console[^:]*\[127.0.0.1:6480\]: /, ''],
    [/what the node remembers \[.\/state\]: /, ''],
    [/whose count\?[^]*is refused then: /, 'db3'],
    [/one of db1, db2[^]*is refused then: /, 'db2'],
  ]);
  expect([await ended, cli.stderr]).toEqual([0, '']);
  expect(cli.stdout).not.toContain('hush hush');
  expect((await readdir(directory)).sort()).toEqual(['lockstep.password', 'lockstep.yaml']);
  expect(await readFile(join(directory, 'lockstep.password'), 'utf8')).toBe('hush hush');
  const check = new FakeCli();
  expect(await check.run('config', 'check', file, '--json')).toBe(0);
  expect(check.json()).toMatchObject({
    problems: [],
    config: {
      cluster: 'plant',
      username: 'lockstep',
      clients: [{ name: 'app' }, { name: 'report' }],
      source: 'db2',
      listen: { postgres: { port: 6432 }, admin: { port: 6480 } },
      members: [{ id: 'db1' }, { id: 'db2', port: 5433 }],
    },
  });
});

test('cli: init: at a real terminal every question is on the screen while it is answered, and no password is', async () => {
  const terminal = atTerminal(['init', '--no-check', '--config', file]);
  const lastLine = () =>
    shownBy(terminal.written(), { columns: 200, rows: 50 }).findLast((line) => line.trim() !== '') ?? '';
  for (const [question, answer] of [
    [/^Name of the cluster \[main\]: $/, 'plant'],
    [/Lockstep works on the databases \[lockstep\]: $/, ''],
    [/^Its password .*: $/, 'hush hush'],
    [/clients log in.*\[app\]: $/, ''],
    [/^The first database .*: $/, 'postgres://127.0.0.1:5432/plant'],
    [/^The next database, .*: $/, ''],
    [/^Address on which clients .* \[127.0.0.1:6432\]: $/, ''],
    [/^Address of the console.* \[127.0.0.1:6480\]: $/, ''],
    [/^Directory for what .* \[\.\/state\]: $/, ''],
  ] as const) {
    await waitFor(() => question.test(lastLine()), {
      what: `the question ${question}, instead of ${lastLine()}`,
    });
    terminal.type(`${answer}\r`);
  }
  await terminal.ended;
  expect(terminal.written()).toContain('Written: ');
  expect(terminal.written()).not.toContain('hush');
  expect(await readFile(join(directory, 'lockstep.password'), 'utf8')).toBe('hush hush');
});

test('cli: init: who goes away in the middle leaves nothing behind', async () => {
  const cli = new FakeCli({ check: checking() }, {}, { columns: 80, rows: 24 });
  const ended = cli.run('init', '--config', file);
  await converse(cli, [[/Name of the cluster \[main\]: /, 'plant']]);
  await waitFor(() => cli.stdout.includes('Lockstep works'), { what: 'the next question' });
  cli.stdin.end();
  expect(await ended).toBe(4);
  expect(cli.stderr).toContain('nothing is written');
  expect(await readdir(directory)).toEqual([]);
});

test('cli: import: writes the file and the passwords beside it, and says what has no counterpart', async () => {
  const cli = new FakeCli();
  expect(await cli.run('import', HA_JDBC, '--config', file, '--json', '--cluster', 'orders')).toBe(0);
  const { written, warnings } = cli.json() as { written: string[]; warnings: string[] };
  expect(written).toEqual(
    ['lockstep.password', 'lockstep-db2.password', 'lockstep.yaml'].map((name) => join(directory, name)),
  );
  expect(warnings.join()).toContain('db4 runs mysql');
  expect(await readFile(join(directory, 'lockstep-db2.password'), 'utf8')).toBe('other');
  expect((await stat(join(directory, 'lockstep.password'))).mode & 0o777).toBe(0o600);
  const check = new FakeCli();
  expect(await check.run('config', 'check', file)).toBe(0);
  // Half of it is there already: nothing of it is touched.
  await rm(file);
  const again = new FakeCli();
  expect(await again.run('import', HA_JDBC, '--config', file)).toBe(4);
  expect((await readdir(directory)).sort()).toEqual(['lockstep-db2.password', 'lockstep.password']);
});

test('cli: import: a file that cannot be read is named', async () => {
  const cli = new FakeCli();
  expect(await cli.run('import', join(directory, 'none.xml'), '--config', file)).toBe(2);
  expect(cli.stderr).toContain('none.xml cannot be read');
});
