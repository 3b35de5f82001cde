/** From a single database to a cluster of three, by somebody who has only the console. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import { dumpableServers } from '../support/dumpable.ts';
import { connect, startNode, withServers } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';

const LONG_MS = 90_000;

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
    const fixture = withServers(3, binaries === undefined ? {} : { binaries });
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

      await enter(page, 1);
      await dialog.getByRole('button', { name: 'Enable clustering' }).click();
      await dialog.getByText('db2 is active', { exact: true }).waitFor({ timeout: LONG_MS });
      await dialog.getByRole('button', { name: 'Close' }).last().click();
      await page.getByText('It is on: 2 databases hold the same data').waitFor();

      await page.getByRole('button', { name: 'Add a database' }).click();
      expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('db3');
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
      expect(complaints).toEqual([]);
      await context.close();
    });
  },
);
