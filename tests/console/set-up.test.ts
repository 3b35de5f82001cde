/** From nothing, and from a single database, to a cluster of three, by somebody who has only a browser. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import { dumpableServers } from '../support/dumpable.ts';
import { findFreePort } from '../../src/testing/postgres/free-port.ts';
import { FakeCli } from '../cli/fake-cli.ts';
import { atTerminal } from '../cli/terminal.ts';
import { connect, startNode, waitFor, withServers } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';
import { seriousFaults } from './accessibility.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';

const LONG_MS = 90_000;
const PASSWORD = 'known to who sets it up';

const binaries = dumpableServers();

// A schema is copied by pg_dump, which has to be as new as the servers.
const without =
  withoutBrowser ??
  (binaries === undefined
    ? 'there is no pg_dump with a server of its version on this machine (apt-get install postgresql)'
    : undefined);

describe.skipIf(without)(
  without === undefined ? 'console: first set-up' : `console: first set-up (skipped: ${without})`,
  { timeout: 240_000 },
  () => {
    const open = useBrowser();
    const fixture = withServers(3, {
      password: PASSWORD,
      ...(binaries !== undefined && { binaries }),
    });
    let dir: string;
    let started: StartedNode;
    let token: string;
    let address: string;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'lockstep-set-up-'));
      started = await startNode([fixture.server(0)], {
        dir,
        config: { listen: { postgres: '127.0.0.1:0', admin: '127.0.0.1:0' } },
      });
      invariant(started.node.adminUrl, 'the node has an admin address');
      address = started.node.adminUrl;
      token = (await readFile(join(dir, 'state/admin-token'), 'utf8')).trim();
      const client = await connect(started.url);
      await client.query('CREATE TABLE orders (id int PRIMARY KEY, state text)');
      await client.query("INSERT INTO orders SELECT id, 'new' FROM generate_series(1, 2000) id");
    }, 120_000);
    afterAll(async () => {
      await started.stop();
      await rm(dir, { recursive: true, force: true });
    });

    const urlOf = (place: number) => {
      const { port, database } = fixture.server(place);
      return `postgres://127.0.0.1:${port}/${database}`;
    };

    async function tryUrl(dialog: Locator, url: string, said: string): Promise<void> {
      await dialog.getByLabel('URL').fill(url);
      await dialog.getByRole('button', { name: 'Test the connection' }).click();
      await dialog.getByText(said).first().waitFor({ timeout: LONG_MS });
    }

    async function logIn(dialog: Locator, password: string): Promise<void> {
      const username = dialog.getByLabel('User name (optional)');
      if (!(await username.isVisible())) await dialog.getByText('Its own user name or password').click();
      await username.fill(fixture.server(0).user);
      await dialog.getByLabel('Entered here, kept in the configuration file').check();
      await dialog.getByLabel('The password').fill(password);
    }

    async function enter(page: Page, place: number): Promise<void> {
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('URL').fill(urlOf(place));
      await dialog.getByRole('button', { name: 'Test the connection' }).click();
      await dialog.getByRole('button', { name: 'Continue' }).click({ timeout: LONG_MS });
    }

    test('a database becomes a cluster of three while a client works, and an option is changed on the way', async () => {
      const { page, context, complaints } = await open(address);
      await signIn(page, token);
      await page.getByText('There is one database only.').waitFor();
      await page.getByRole('navigation').getByRole('link', { name: 'Database' }).click();
      await page.getByRole('button', { name: 'Enable database clustering' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: 'Check it' }).click();
      await dialog.getByRole('button', { name: 'Continue' }).click();

      await dialog.getByLabel('URL').fill('postgres://no-such-host');
      await dialog.getByRole('button', { name: 'Test the connection' }).click();
      await dialog.getByLabel('URL').and(page.locator('[aria-invalid="true"]')).waitFor();

      // The password of the cluster goes to no other address; what is asked for is in sight.
      await tryUrl(dialog, urlOf(1), 'does not get the password of the cluster');
      await dialog.getByLabel('User name (optional)').waitFor();
      await logIn(dialog, PASSWORD);
      await enter(page, 1);
      await dialog.getByRole('button', { name: 'Enable clustering' }).click();
      await dialog.getByText('db2 is active', { exact: true }).waitFor({ timeout: LONG_MS });
      await dialog.getByRole('button', { name: 'Close' }).last().click();
      await page.getByText('It is on: 2 databases hold the same data').waitFor();

      await page.getByRole('button', { name: 'Add a database' }).click();
      expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('db3');
      const third = fixture.server(2);
      const on = (port: number, database: string) => `postgres://127.0.0.1:${port}/${database}`;
      await third.query('CREATE DATABASE taken');
      await third.query('CREATE TABLE own (id int); INSERT INTO own VALUES (1)', undefined, 'taken');
      await logIn(dialog, PASSWORD);
      const nobody = await findFreePort();
      await tryUrl(dialog, on(nobody, third.database), `nothing listens at its port ${nobody}`);
      await dialog.getByText('Server does not answer').waitFor();
      await tryUrl(dialog, on(third.port, 'nowhere'), 'has no database nowhere');
      await dialog.getByText('CREATE DATABASE "nowhere";').waitFor();
      await tryUrl(dialog, urlOf(1), 'this is the database of db2, which is a member already');
      await tryUrl(dialog, on(started.port, third.database), 'the address at which clients reach Lockstep');
      expect(await dialog.getByLabel('URL').getAttribute('aria-invalid')).toBe('true');
      await logIn(dialog, 'guessed');
      await tryUrl(dialog, urlOf(2), `does not take the password of ${third.user}`);
      await dialog.getByText('Login is refused').waitFor();
      await logIn(dialog, PASSWORD);
      // One that holds something else is added all the same: nothing of it is touched, and another takes its place.
      await tryUrl(dialog, on(third.port, 'taken'), 'it is not empty: ');
      await dialog.getByText('Database is not empty').waitFor();
      await dialog.getByRole('button', { name: 'Continue' }).click();
      await dialog.getByRole('button', { name: 'Add db3' }).click();
      await dialog.getByText('db3 is not brought level: it is not empty').waitFor({ timeout: LONG_MS });
      await dialog.getByRole('button', { name: 'Use another database' }).click();
      expect(await third.query('SELECT id FROM own', undefined, 'taken')).toEqual([['1']]);
      await enter(page, 2);
      await dialog.getByRole('button', { name: 'Add db3' }).click();
      await dialog.getByText('db3 is active', { exact: true }).waitFor({ timeout: LONG_MS });
      await dialog.getByRole('button', { name: 'Close' }).last().click();

      // Removed, and back under its name by what it missed.
      await page.getByRole('button', { name: 'Remove: db3' }).click();
      await dialog.getByLabel('Make it an ordinary database again').uncheck();
      await dialog.getByLabel('Yes, db3 leaves for good').check();
      await dialog.getByRole('button', { name: 'Remove db3' }).click();
      await page.getByText('It is on: 2 databases hold the same data').waitFor();
      await page.getByRole('button', { name: 'Add a database' }).click();
      await logIn(dialog, PASSWORD);
      await enter(page, 2);
      await dialog.getByRole('button', { name: 'Add db3' }).click();
      await dialog.getByText('db3 is active', { exact: true }).waitFor({ timeout: LONG_MS });
      await dialog.getByRole('button', { name: 'Close' }).last().click();

      const client = await connect(started.url);
      await client.query("INSERT INTO orders VALUES (2001, 'new')");
      for (const server of fixture.servers) {
        expect(await server.query('SELECT count(*) FROM orders')).toEqual([['2001']]);
      }

      await page.getByLabel('Balancer').selectOption('round-robin');
      await page.getByText('Probes', { exact: true }).click();
      const interval = page.getByLabel(/^Interval/);
      await interval.fill('7');
      await page.getByRole('button', { name: 'Save' }).click();
      await interval.and(page.locator('[aria-invalid="true"]')).waitFor();
      await interval.fill('500');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('Saved, and in force.').waitFor();
      const text = await readFile(join(dir, 'lockstep.yaml'), 'utf8');
      expect(text).toContain('round-robin');
      expect(text).toContain('db3');

      // What is copied into an empty database is news, and no warning.
      await page.getByRole('navigation').getByRole('link', { name: 'Events' }).click();
      await page
        .getByText(/orders is copied, 2,000 rows/)
        .first()
        .waitFor();
      expect(await page.getByText(/lacked [\d,]+ rows/).count()).toBe(0);
      expect(complaints).toEqual([]);
      await context.close();
    });

    test('three become twenty, one by one; who is lost of them stands first, and comes back', {
      timeout: 400_000,
    }, async () => {
      const { page, context, complaints } = await open(address);
      await signIn(page, token);
      await page.getByRole('navigation').getByRole('link', { name: 'Database' }).click();
      const dialog = page.getByRole('dialog');
      for (let at = 4; at <= 20; at++) {
        const server = fixture.server(at % 2 === 0 ? 1 : 2);
        await server.query(`CREATE DATABASE site_${at}`);
        await page.getByRole('button', { name: 'Add a database' }).click();
        await logIn(dialog, PASSWORD);
        await dialog.getByLabel('URL').fill(`postgres://127.0.0.1:${server.port}/site_${at}`);
        await dialog.getByRole('button', { name: 'Test the connection' }).click();
        await dialog.getByRole('button', { name: 'Continue' }).click({ timeout: LONG_MS });
        await dialog.getByRole('button', { name: `Add db${at}` }).click();
        await dialog.getByText(`db${at} is active`, { exact: true }).waitFor({ timeout: LONG_MS });
        await dialog.getByRole('button', { name: 'Close' }).last().click();
      }
      await page.getByText('It is on: 20 databases hold the same data').waitFor();
      const client = await connect(started.url);
      await client.query("INSERT INTO orders VALUES (3000, 'of twenty')");
      for (let at = 4; at <= 20; at++) {
        const server = fixture.server(at % 2 === 0 ? 1 : 2);
        const found = await server.query('SELECT state FROM orders WHERE id = 3000', undefined, `site_${at}`);
        expect(found).toEqual([['of twenty']]);
      }

      await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click();
      await page.getByText('All 20 members are active and equal').waitFor();
      const lost = ['db3', ...Array.from({ length: 8 }, (_, n) => `db${2 * n + 5}`)];
      await fixture.server(2).kill9();
      await page.getByText(`${20 - lost.length} of 20 members are active.`).waitFor({ timeout: LONG_MS });
      await client.query("INSERT INTO orders VALUES (3001, 'of eleven')");
      const rows = page.getByRole('row').filter({ hasText: 'Inactive' });
      expect(await rows.count()).toBe(Math.min(8, lost.length));
      await page.getByText('Waiting for db3, db5, db7 and 6 more').waitFor();
      await fixture.server(2).start();
      await page.getByText('All 20 members are active and equal').waitFor({ timeout: LONG_MS });
      for (const at of [5, 19])
        expect(
          await fixture
            .server(2)
            .query('SELECT count(*) FROM orders WHERE id >= 3000', undefined, `site_${at}`),
        ).toEqual([['2']]);
      await page.getByRole('navigation').getByRole('link', { name: 'Members' }).click();
      await page.getByRole('heading', { level: 1, name: 'Members' }).waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await context.close();
    });

    test('a node without a file is set up in a browser: by its link alone, with the file that init would write, and it goes on', async () => {
      const home = await mkdtemp(join(tmpdir(), 'lockstep-from-nothing-'));
      const file = join(home, 'lockstep.yaml');
      const [first, second] = [fixture.server(0), fixture.server(1)];
      for (const server of [first, second]) {
        await server.query('CREATE DATABASE plant');
        await server.query("CREATE ROLE app LOGIN PASSWORD 'of the clients'");
      }
      await first.query(
        'CREATE TABLE parts (id int PRIMARY KEY); INSERT INTO parts VALUES (1), (2)',
        undefined,
        'plant',
      );
      const urls = [first, second].map(({ port }) => `postgres://127.0.0.1:${port}/plant`);
      const terminal = atTerminal(['serve', '--config', file]);
      const found = await waitFor(
        () => /http:\/\/127\.0\.0\.1:\d+\/#\/enter\/[\w-]+/.exec(terminal.written())?.[0],
        { what: 'the link', timeoutMs: LONG_MS },
      );
      const link = String(found);
      const { origin } = new URL(link);
      for (const method of ['GET', 'POST'])
        expect((await fetch(`${origin}/api/set-up`, { method })).status).toBe(401);

      const { page, context, complaints } = await open(origin);
      await page.getByText('This node has no configuration yet').waitFor();
      await page.goto('about:blank');
      await page.goto(link);
      await page.getByLabel('URL').fill(urls[0] ?? '');
      await page.getByLabel('User name').fill(first.user);
      await page.getByLabel('Password').fill('guessed');
      await page.getByText('Login is refused').waitFor();
      await page.getByLabel('Password').fill(PASSWORD);
      await page.locator('.badge.good').getByText('Database is there').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await page.getByRole('button', { name: 'Test the connection' }).click();
      await page.getByRole('button', { name: 'Continue' }).click();

      await page.getByRole('button', { name: 'Add a second database' }).click();
      await page.getByLabel('URL of db2').fill(urls[0] ?? '');
      await page.getByRole('button', { name: 'Test the connection' }).click();
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByLabel('Name of the cluster').fill('plant');
      await page.getByLabel('Address for clients').fill(`127.0.0.1:${first.port}`);
      await page.getByLabel('Address of the console').fill(`127.0.0.1:${await findFreePort()}`);
      // It is not empty: whose data count is not chosen for anybody.
      expect(await page.getByLabel(/^Nobody/).isChecked()).toBe(true);
      const write = page.getByRole('button', { name: 'Write the file and start' });
      await write.click();
      await page.getByText('this is the same database as').waitFor();
      await page.getByRole('button', { name: 'Back' }).click();
      await page.getByLabel('URL of db2').fill(urls[1] ?? '');
      await page.locator('.badge.good').getByText('Database is empty').waitFor();
      await page.getByRole('button', { name: 'Test the connection' }).click();
      await page.getByRole('button', { name: 'Continue' }).click();
      expect(await page.getByLabel(/^db1/).isChecked()).toBe(true);
      await write.click();
      await page.getByText('another program listens on').waitFor();
      expect(await readdir(home)).toEqual([]);
      const clients = `127.0.0.1:${await findFreePort()}`;
      await page.getByLabel('Address for clients').fill(clients);
      const console = await page.getByLabel('Address of the console').inputValue();
      expect(await seriousFaults(page)).toEqual([]);
      expect(complaints).toEqual([]);
      await write.click();

      // Its console, signed in, at the same node: nobody has started it again.
      await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor({ timeout: LONG_MS });
      expect(new URL(page.url()).host).toBe(console);
      await page.getByText('All 2 members are active and equal').waitFor({ timeout: LONG_MS });
      expect(await second.query('SELECT count(*) FROM parts', undefined, 'plant')).toEqual([['2']]);
      await waitFor(
        async () =>
          await fetch(origin).then(
            () => false,
            () => true,
          ),
        {
          what: 'the end of the set-up',
        },
      );

      const text = await readFile(file, 'utf8');
      expect(text).not.toContain(PASSWORD);
      const kept = join(home, 'lockstep.password');
      expect([await readFile(kept, 'utf8'), (await stat(kept)).mode & 0o777]).toEqual([PASSWORD, 0o600]);
      await mkdir(join(home, 'twin'));
      await writeFile(join(home, 'twin/lockstep.password'), PASSWORD);
      const init = ['init', '--no-check', '--cluster', 'plant', '--username', first.user, '--client', 'app'];
      const twin = join(home, 'twin/lockstep.yaml');
      const rest = ['--password-file', './lockstep.password', '--listen', clients, '--admin', console];
      const cli = new FakeCli();
      const more = ['--source', 'db1', '--config', twin, '--member', ...urls];
      expect([await cli.run(...init, ...rest, ...more), cli.stderr]).toEqual([0, '']);
      expect(text).toBe(await readFile(twin, 'utf8'));

      await context.close();
      terminal.type('\u0003');
      await terminal.ended;
      expect(terminal.written()).toContain('Lockstep serves cluster plant');
      await rm(home, { recursive: true });
    });
  },
);
