import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';
import { FakeNode, TOKEN } from './fake-node.ts';

describe.skipIf(withoutBrowser)('console: integrity', { timeout: 240_000 }, () => {
  const open = useBrowser();
  let node: FakeNode;
  let address: string;

  beforeEach(async () => {
    node = new FakeNode();
    address = await node.start();
  });
  afterEach(() => node.stop());

  test('rows that differ stand under each other, marked where a member stands apart; repair follows', async () => {
    node.differ();
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByRole('navigation').getByRole('link', { name: 'Integrity' }).click();
    await page.getByText('Members differed').waitFor();
    const row = page.getByRole('table', { name: 'Row id = 4711' });
    await row.getByRole('row', { name: 'db1, db2' }).waitFor();
    expect(await row.getByRole('row', { name: 'db3' }).getByRole('cell').first().textContent()).toContain(
      'differs: open',
    );
    await page.getByRole('table', { name: 'Row id = 4712' }).getByText('has no such row').waitFor();
    await page.getByRole('button', { name: 'Repair db3' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Repair db3' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(node.asked).toEqual([{ command: 'repair', input: { member: 'db3' } }]);
    await context.close();
  });

  test('a verification is begun for the tables that are named', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByRole('navigation').getByRole('link', { name: 'Integrity' }).click();
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.getByLabel('Only these tables (optional)').fill('public.orders, customers');
    await page.getByRole('button', { name: 'Verify', exact: true }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(node.asked).toEqual([{ command: 'verify', input: { tables: ['public.orders', 'customers'] } }]);
    await context.close();
  });
});
