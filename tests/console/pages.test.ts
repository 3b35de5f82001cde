import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PAGES, TITLES } from '../../src/console/state/pages.ts';
import { overhang, seriousFaults } from './accessibility.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';
import { fakeProgress } from './fake-data.ts';
import { FakeNode, READ_ONLY_TOKEN, TOKEN } from './fake-node.ts';

const synchronising = {
  active: false,
  state: 'inactive',
  role: 'none',
  reason: 'no probe was answered for 2 s: connection refused',
  lagCsn: 4201,
  sync: {
    state: 'running',
    attempt: 1,
    strategy: 'diff',
    reason: 'the log that it lacks is no longer kept',
    source: 'db2',
    dryRun: false,
    startedAt: new Date().toISOString(),
    nextRetryAt: null,
    quarantined: false,
    progress: fakeProgress,
  },
} as const;

describe.skipIf(withoutBrowser)('console: pages', { timeout: 240_000 }, () => {
  const open = useBrowser();
  let node: FakeNode;
  let address: string;

  beforeEach(async () => {
    node = new FakeNode();
    address = await node.start();
  });
  afterEach(() => node.stop());

  for (const look of [{}, { dark: true }, { phone: true }]) {
    const name = Object.keys(look)[0] ?? 'light';
    test(`every page is without serious faults and fits: ${name}`, async () => {
      node.changeMember('db3', synchronising);
      node.differ();
      node.raise({ type: 'member-unfit', level: 'warn', member: 'm'.repeat(63), text: 'it is slow' });
      const { page, context, complaints } = await open(address, look);
      await page.getByLabel('Access token').waitFor();
      expect(await seriousFaults(page)).toEqual([]);
      await signIn(page, TOKEN);
      for (const one of PAGES) {
        await page.getByRole('navigation').getByRole('link', { name: TITLES[one] }).click();
        await page.getByRole('heading', { level: 1, name: TITLES[one] }).waitFor();
        await page.getByText('Asking the node').waitFor({ state: 'detached' });
        expect(await seriousFaults(page), one).toEqual([]);
        expect(await overhang(page), one).toBe(0);
      }
      expect(complaints).toEqual([]);
      await context.close();
    });
  }

  test('the overview says whether it can write, what is missing, and how far its return is', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByText('All 3 members are active and equal; any 2 of them may fail.').waitFor();
    const served = await page.getByText('127.0.0.1:6432', { exact: true }).boundingBox();
    const clients = await page
      .getByText('Active members')
      .locator('..')
      .getByRole('definition')
      .boundingBox();
    expect(served?.height, 'the address is in one line').toBe(clients?.height);
    node.changeMember('db3', synchronising);
    await page.getByText('2 of 3 members are active. db3 is being brought level.').waitFor();
    const bar = page.getByRole('progressbar', { name: 'Synchronising db3: diff from db2' });
    expect(await bar.getAttribute('value')).toBe('41');
    await page.getByText('about 38 s left').waitFor();
    await page.getByText('1,204,112 of 2,900,000 rows').waitFor();
    node.changeStatus({
      primary: null,
      members: node.status.members.map((one) => ({ ...one, active: false })),
    });
    await page.getByText('No member can take writes at the moment.').waitFor();
    await context.close();
  });

  test('an event is said aloud when it happens', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    const spoken = page.getByRole('log', { name: 'Changes of the cluster' });
    await spoken.waitFor({ state: 'attached' });
    node.raise({
      type: 'member-deactivated',
      level: 'warn',
      member: 'db2',
      text: 'member db2 is inactive: unplugged',
    });
    await spoken.getByText('member db2 is inactive: unplugged').waitFor({ state: 'attached' });
    await context.close();
  });

  test('ages count by the clock of the node, which is told when this computer has another; times bear their zone', async () => {
    node.clockAheadMs = 45 * 60_000;
    const since = new Date(Date.now() + node.clockAheadMs - 125_000).toISOString();
    for (const { id } of node.status.members) node.changeMember(id, { since });
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByText('The clock of this computer is 45 min').waitFor();
    await page
      .getByRole('row', { name: 'db2' })
      .getByText(/^2 min/)
      .waitFor();
    await page
      .getByText(/^times in UTC/)
      .first()
      .waitFor();
    node.clockAheadMs = 0;
    await page.getByText('The clock of this computer').waitFor({ state: 'detached' });
    await context.close();
  });

  test('what was entered and not saved is there again after another page, and a saved group stays open', async () => {
    node.reactions.set('change-config', () => ({ applied: ['probe.intervalMs'], needsRestart: [] }));
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    const goTo = (name: string) => page.getByRole('navigation').getByRole('link', { name }).click();
    await goTo('Database');
    await page.getByText('Probes', { exact: true }).click();
    await page.getByLabel(/^Interval/).fill('750');
    await goTo('Events');
    await goTo('Database');
    expect(await page.getByLabel(/^Interval/).inputValue()).toBe('750');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved, and in force.').waitFor();
    expect(await page.getByLabel(/^Interval/).isVisible()).toBe(true);
    await context.close();
  });

  test('of twenty members those that need an eye come first, eight are shown, and each takes the writes of all', async () => {
    await node.stop();
    node = new FakeNode({ members: 20 });
    address = await node.start();
    node.changeMember('db17', {
      active: false,
      state: 'inactive',
      role: 'none',
      reason: 'no probe was answered',
    });
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    const rows = page.getByRole('region', { name: 'Members' }).locator('tbody tr');
    await page.getByRole('button', { name: 'Show all 20 members' }).waitFor();
    expect(await rows.locator('.member-name').allTextContents()).toEqual([
      'db17',
      'db1',
      'db2',
      'db3',
      'db4',
      'db5',
      'db6',
      'db7',
    ]);
    const writes = rows.nth(2).getByRole('cell').nth(5);
    await writes.getByText(/^[1-9]/).waitFor();
    // What a query takes on a member is no state of its health.
    await page.getByRole('columnheader', { name: 'Query time' }).waitFor();
    await page.getByText('Pauses: longest time that Lockstep had somebody wait').waitFor();
    await page.getByRole('button', { name: 'Show all 20 members' }).click();
    expect(await rows.count()).toBe(20);
    await context.close();
  });

  test('who is active waits for nothing; a bar that goes back says why, and has no per cent where no rows are counted', async () => {
    const { sync } = synchronising;
    node.changeMember('db3', {
      ...synchronising,
      sync: { ...sync, progress: { ...fakeProgress, phase: 'schema' } },
    });
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    const now = page.getByRole('region', { name: 'Happening now' });
    await now.getByText('Schema', { exact: true }).waitFor();
    expect(await now.locator('.progress-head').getByText('%').count()).toBe(0);
    const at = (rowsDone: number) =>
      node.changeMember('db3', {
        sync: { ...sync, progress: { ...fakeProgress, rowsDone, rowsTotal: 100, ofTable: null } },
      });
    at(90);
    await now.getByText('90 %').waitFor();
    at(20);
    await now.getByText(/^Another pass/).waitFor();
    node.changeMember('db3', { active: true, state: 'active', role: 'replica', reason: null });
    await now.waitFor({ state: 'detached' });
    await context.close();
  });

  test('what is wrong stands on top with one thing to do about each, and a file for support has what was seen', async () => {
    node.changeMember('db2', { active: false, state: 'held', role: 'none', reason: 'a new disk' });
    node.changeMember('db3', { risks: ['fsync is off'] });
    const { page, context, complaints } = await open(address);
    await signIn(page, TOKEN);
    const card = page.getByRole('region', { name: 'What is wrong, and what to do' });
    await card.getByRole('listitem').nth(1).waitFor();
    expect(await card.getByRole('listitem').count()).toBe(2);
    await card.getByText('db2 was taken out by an operator').waitFor();
    await card.getByRole('button', { name: 'Activate it now' }).click();
    await page.getByRole('dialog').getByText('Activate db2?').waitFor();
    await page.keyboard.press('Escape');
    expect(await seriousFaults(page)).toEqual([]);
    const saved = page.waitForEvent('download');
    await card.getByRole('button', { name: 'Save a file for support' }).click();
    const text = await readFile((await (await saved).path()) ?? '', 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      status: { cluster: 'orders' },
      config: { file: node.config.file },
      events: { events: expect.any(Array) },
      jobs: [],
      verification: null,
    });
    node.changeMember('db2', { active: true, state: 'active', role: 'replica', reason: null });
    node.changeMember('db3', { risks: [] });
    await card.waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('a link signs in, and does not stay in the address; one that is spent says so', async () => {
    const { page, context } = await open(address);
    await page.getByLabel('Access token').waitFor();
    await page.goto(`${address}/#/enter/${TOKEN}`);
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    expect(page.url()).toBe(`${address}/#/overview`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.goto(`${address}/#/enter/spent`);
    await page.reload();
    await page.getByText('This link does not sign in any more').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await context.close();
  });

  test('the theme follows the system until it is chosen, and the choice is kept', async () => {
    const { page, context } = await open(address, { dark: true });
    await signIn(page, TOKEN);
    const theme = () => page.locator('html').getAttribute('data-theme');
    expect(await theme()).toBe('dark');
    await page.getByRole('button', { name: 'Use the light theme' }).click();
    expect(await theme()).toBe('light');
    await page.reload();
    await page.getByRole('button', { name: 'Use the dark theme' }).waitFor();
    expect(await theme()).toBe('light');
    await context.close();
  });

  test('who may only look is offered nothing that changes something', async () => {
    const { page, context } = await open(address);
    await signIn(page, READ_ONLY_TOKEN);
    await page.getByRole('link', { name: 'Members' }).first().click();
    await page.getByRole('heading', { name: 'db2' }).waitFor();
    await page.getByText('Read only').waitFor();
    expect(await page.getByRole('button', { name: /Deactivate|Make primary|Activate/ }).count()).toBe(0);
    await context.close();
  });

  test('the keyboard reaches the pages, and begins at the top of a new one', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Events', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Events' }).waitFor();
    expect(await page.locator('main').evaluate((main) => main === main.ownerDocument.activeElement)).toBe(
      true,
    );
    await context.close();
  });
});
