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
