import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';
import { FakeNode, TOKEN } from './fake-node.ts';

describe.skipIf(withoutBrowser)('console: access', { timeout: 240_000 }, () => {
  const open = useBrowser();
  let node: FakeNode;
  let address: string;

  beforeEach(async () => {
    node = new FakeNode();
    address = await node.start();
  });
  afterEach(() => node.stop());

  test('a wrong token is refused beside the field', async () => {
    const { page, context } = await open(address);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('Enter the token.').waitFor({ state: 'attached' });
    await page.getByLabel('Access token').fill('not the token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page
      .getByRole('alert')
      .getByText('This is not the token of this node.')
      .waitFor({ state: 'attached' });
    expect(await page.getByLabel('Access token').getAttribute('aria-invalid')).toBe('true');
    await context.close();
  });

  test('an expired session asks for the token, and goes on where it was', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByRole('link', { name: 'Events' }).first().click();
    node.expireSessions();
    await page.getByText('Your session has ended').waitFor();
    await page.getByText('whenever the node is started again').waitFor();
    await page.getByLabel('Access token').fill(TOKEN);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { level: 1, name: 'Events' }).waitFor();
    await context.close();
  });

  test('a page that is opened again goes on with its session; signing out ends it', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.reload();
    await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    const tab = await context.newPage();
    await tab.goto(address);
    await tab.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You have signed out.').waitFor();
    await page.reload();
    await page.getByLabel('Access token').waitFor();
    await tab.getByText('Your session has ended').waitFor();
    await context.close();
  });

  test('a browser that has the cookie, and not the secret that this port alone was given, has to sign in', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.evaluate('localStorage.clear()');
    await page.reload();
    await page.getByLabel('Access token').waitFor();
    expect(await context.cookies()).toHaveLength(1);
    await context.close();
  });

  test('a lost connection is said, and made again', async () => {
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByText('can be').or(page.getByText('may fail')).first().waitFor();
    node.answer(false);
    await page.getByText('The connection to the node is lost').waitFor();
    await page.getByText('Not connected').waitFor();
    node.answer(true);
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByText('The connection to the node is lost').waitFor({ state: 'detached' });
    node.changeMember('db2', { active: false, state: 'held', role: 'none', reason: 'maintenance' });
    await page.getByRole('table').getByText('maintenance').waitFor();
    await context.close();
  });
});
