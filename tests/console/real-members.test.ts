/** The console before a whole node with real members. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { invariant } from '../../src/base/index.ts';
import { connect, startNode, waitFor, withServers } from '../support/index.ts';
import type { StartedNode } from '../support/index.ts';
import { seriousFaults } from './accessibility.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';

const LONG_MS = 90_000;

/** As if the log had grown beyond what is kept of it. */
const dropLog = `BEGIN; LOCK TABLE lockstep.log IN ACCESS EXCLUSIVE MODE;
  UPDATE lockstep.member SET base_csn = greatest(base_csn, (SELECT max(csn) FROM lockstep.log));
  TRUNCATE lockstep.log; COMMIT`;

describe.skipIf(withoutBrowser)('console: real members', { timeout: 240_000 }, () => {
  const open = useBrowser();
  const fixture = withServers(3);
  let dir: string;
  let started: StartedNode;
  let token: string;
  let address: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lockstep-console-'));
    started = await startNode(fixture.servers, {
      dir,
      config: {
        listen: { postgres: '127.0.0.1:0', admin: '127.0.0.1:0' },
        probe: { intervalMs: 200, timeoutMs: 2000, threshold: 3 },
      },
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

  const goTo = async (page: Page, name: string) => {
    await page.getByRole('navigation').getByRole('link', { name }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
  };

  test('a member that is killed is seen to go, with the reason, and to come back', async () => {
    const { page, context, complaints } = await open(address);
    await signIn(page, token);
    await page.getByText('All 3 members are active and equal').waitFor();
    await fixture.server(2).kill9();
    const row = page.getByRole('row', { name: 'db3' });
    await page.getByText('2 of 3 members are active.').waitFor({ timeout: LONG_MS });
    await row.getByText('Inactive').waitFor();
    await page
      .getByRole('list')
      .getByText(/^member db3 is inactive/)
      .first()
      .waitFor();
    const client = await connect(started.url);
    await client.query("UPDATE orders SET state = 'paid' WHERE id <= 500");
    await fixture.server(2).start();
    await page.getByText('All 3 members are active and equal').waitFor({ timeout: LONG_MS });
    await goTo(page, 'Events');
    await page
      .getByText(/^member db3 is active/)
      .first()
      .waitFor();
    await page.getByLabel('Kind').selectOption('member-deactivated');
    await page.getByText('1 event shown').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a member that is killed and comes back by a comparison is seen with its bar, rate and time left; a limit that is lifted lets it go on', async () => {
    const { page, context, complaints } = await open(address);
    await signIn(page, token);
    const client = await connect(started.url);
    const tables = Array.from({ length: 40 }, (_, at) => `parts_${at}`);
    const each = (sql: (table: string) => string) => client.query(tables.map(sql).join(';'));
    await each((table) => `CREATE TABLE ${table} (id int PRIMARY KEY, name text)`);
    await each(
      (table) => `INSERT INTO ${table} SELECT id, repeat('old ', 100) FROM generate_series(1, 1000) id`,
    );
    // Sixteen megabytes will differ: minutes, until the limit is lifted below.
    await limitReading(page, String(256 * 1024));
    await goTo(page, 'Overview');
    await fixture.server(2).kill9();
    await page.getByText('2 of 3 members are active.').waitFor({ timeout: LONG_MS });
    await each((table) => `UPDATE ${table} SET name = repeat('new ', 100)`);
    for (const place of [0, 1]) await fixture.server(place).query(dropLog);
    await fixture.server(2).start();
    const bar = page.getByRole('progressbar', { name: /^Synchronising db3: diff from db[12]$/ });
    const seen = await risingValue(bar, 0);
    await page.getByText(/^about .+ left$/).waitFor();
    await page.getByText(/^public\.parts_\d+ .* table \d+ of \d+ .* rows .*B\/s$/).waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.reload();
    const later = await risingValue(bar, seen);
    expect(later).toBeLessThan(100);
    await goTo(page, 'Members');
    const panel = page.getByRole('listitem', { name: 'Member db3' });
    await panel.getByRole('progressbar', { name: 'Synchronising db3' }).waitFor();
    await limitReading(page, '0');
    await goTo(page, 'Overview');
    await page.getByText('All 3 members are active and equal').waitFor({ timeout: LONG_MS });
    await bar.waitFor({ state: 'detached' });
    for (const table of tables) {
      const old = await fixture.server(2).query(`SELECT count(*) FROM ${table} WHERE name NOT LIKE 'new %'`);
      expect(old).toEqual([['0']]);
    }
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a dry run shows the rows that differ, a synchronisation puts them right', async () => {
    const { page, context } = await open(address);
    await signIn(page, token);
    await goTo(page, 'Members');
    await page.getByRole('button', { name: 'Deactivate: db3' }).click();
    await page.getByLabel('Reason (optional)').fill('new disk');
    await page.getByRole('button', { name: 'Deactivate db3', exact: true }).click();
    const panel = page.getByRole('listitem', { name: 'Member db3' });
    await panel.getByText('Taken out').waitFor();
    await panel.getByText('new disk').waitFor();
    await behindTheNode("UPDATE orders SET state = 'wrong' WHERE id = 7");
    await page.getByRole('button', { name: 'Synchronise …: db3' }).click();
    await page.getByLabel(/^Compare/).check();
    await page.getByLabel(/^Dry run/).check();
    await page.getByRole('button', { name: 'Begin the dry run' }).click();
    await page.getByText('Rows of 1 table of db3 would change').waitFor({ timeout: LONG_MS });
    await page.getByRole('dialog').getByText('wrong').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
    await panel.getByText('Taken out').waitFor();
    await page.getByRole('button', { name: 'Synchronise …: db3' }).click();
    await page.getByLabel(/^Compare/).check();
    await page.getByRole('button', { name: 'Synchronise db3' }).click();
    await panel.getByText('Active', { exact: true }).waitFor({ timeout: LONG_MS });
    expect(await fixture.server(2).query('SELECT state FROM orders WHERE id = 7')).toEqual([['paid']]);
    await context.close();
  });

  test('a verification finds a row that differs, shows it beside the others, and it is repaired', async () => {
    const { page, context } = await open(address);
    await signIn(page, token);
    await behindTheNode("UPDATE orders SET state = 'forged' WHERE id = 9");
    await goTo(page, 'Integrity');
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
    await page.getByRole('dialog').getByText('Members differ').waitFor({ timeout: LONG_MS });
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click();
    const row = page.getByRole('table', { name: 'Row id = 9' });
    await row.getByRole('row', { name: 'db3' }).getByText('forged').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Repair db3' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Repair db3' }).click();
    // What differs heals by itself, too, and may have been quicker.
    const repaired = page.getByRole('dialog').getByText(/^(db3 is active|There was nothing to repair)$/);
    await repaired.waitFor({ timeout: LONG_MS });
    await waitFor(async () => (await started.node.status()).members[2]?.active, {
      what: 'db3',
      timeoutMs: LONG_MS,
    });
    expect(await fixture.server(2).query('SELECT state FROM orders WHERE id = 9')).toEqual([['paid']]);
    await context.close();
  });

  test('a wrong token and a forged origin are refused; an expired session asks again', async () => {
    const { page, context } = await open(address);
    await page.getByLabel('Access token').fill('not the token of this node');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This is not the token of this node.').first().waitFor();
    await signIn(page, token);
    const [cookie] = await context.cookies();
    const forged = await fetch(`${address}/api/commands/deactivate-member`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        cookie: `${cookie?.name}=${cookie?.value}`,
        origin: 'http://elsewhere.example',
      },
      body: JSON.stringify({ member: 'db2' }),
    });
    expect(forged.status).toBe(403);
    await context.clearCookies();
    await page.getByRole('link', { name: 'Sessions' }).click();
    await page.getByText('Your session has ended').waitFor();
    await signInAgain(page, token);
    await page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor();
    await context.close();
  });

  test('what a client runs is seen, and cancelled', async () => {
    const { page, context } = await open(address);
    await signIn(page, token);
    const client = await connect(started.url);
    const ended = client.query('SELECT pg_sleep(600)').catch((error: unknown) => error);
    await goTo(page, 'Sessions');
    // Without the values that are in it.
    const row = page.getByRole('row').filter({ hasText: 'pg_sleep(?)' });
    await row.getByRole('button', { name: /^Cancel/ }).click();
    await page.getByRole('button', { name: 'Cancel the statement' }).click();
    expect(await ended).toMatchObject({ code: '57014' });
    await context.close();
  });

  async function limitReading(page: Page, bytesPerSecond: string): Promise<void> {
    await goTo(page, 'Database');
    const group = page.locator('details').filter({ hasText: 'How a database is brought level' });
    await group.locator('summary').click();
    await group.getByLabel(/^Read at most/).fill(bytesPerSecond);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved, and in force.').first().waitFor();
  }

  /** As somebody does who knows how to lift the guard. */
  async function behindTheNode(sql: string): Promise<void> {
    await fixture.server(2).query(`SET session_replication_role = replica; ${sql}`);
  }
});

/** What the bar shows as soon as it is more than `least`. */
async function risingValue(bar: Locator, least: number): Promise<number> {
  const value = async () => Number(await bar.getAttribute('value'));
  await waitFor(async () => (await value()) > least, {
    what: `a bar beyond ${least} %`,
    timeoutMs: LONG_MS,
  });
  return await value();
}

async function signInAgain(page: Page, token: string): Promise<void> {
  await page.getByLabel('Access token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
