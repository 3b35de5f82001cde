import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PreflightView } from '../../src/console/contract.ts';
import { seriousFaults } from './accessibility.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';
import { fakeStatus } from './fake-data.ts';
import { FakeNode, TOKEN } from './fake-node.ts';

describe.skipIf(withoutBrowser)('console: database', { timeout: 240_000 }, () => {
  const open = useBrowser();
  let node: FakeNode;
  let address: string;

  beforeEach(async () => {
    node = new FakeNode({ members: 2 });
    address = await node.start();
  });
  afterEach(() => node.stop());

  async function openDatabase() {
    const opened = await open(address);
    await signIn(opened.page, TOKEN);
    await opened.page.getByRole('navigation').getByRole('link', { name: 'Database' }).click();
    await opened.page.getByRole('heading', { name: 'Settings' }).waitFor();
    return opened;
  }

  test('clustering is enabled step by step: what is there, what is new, what will happen', async () => {
    node.changeStatus(fakeStatus(1));
    node.reactions.set('add-member', () => {
      const [, second] = fakeStatus(2).members;
      if (second === undefined) throw new Error('there is no second member');
      const arriving = { ...second, active: false, state: 'new', role: 'none', reason: 'added' } as const;
      node.changeStatus({ members: [...node.status.members, arriving] });
    });
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Enable database clustering' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Check it' }).click();
    await dialog.getByText('Ready', { exact: true }).waitFor();
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByLabel('URL').fill('postgres://db2.plant.example:5432/orders');
    await dialog.getByRole('button', { name: 'Test the connection' }).click();
    await dialog.getByText('Not ready: 1 thing to cure').waitFor();
    await dialog.getByText('GRANT CREATE ON DATABASE orders TO app;').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    expect(await dialog.getByRole('button', { name: 'Continue' }).count()).toBe(0);
    await dialog.getByLabel('URL').fill('postgres://db2-ready.plant.example:5432/orders');
    await dialog.getByRole('button', { name: 'Test the connection' }).click();
    await dialog.getByRole('button', { name: 'Continue' }).click();
    await dialog.getByRole('button', { name: 'Enable clustering' }).click();
    await dialog.getByText('db2 is part of the cluster, and is being brought level.').waitFor();
    node.changeMember('db2', { active: true, state: 'active', role: 'replica', reason: null });
    await dialog.getByText('db2 is active').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('It is on: 2 databases hold the same data').waitFor();
    expect(node.asked).toEqual([
      {
        command: 'add-member',
        input: { id: 'db2', url: 'postgres://db2-ready.plant.example:5432/orders', weight: 1 },
      },
    ]);
    await context.close();
  });

  test('a bad URL is refused beside its field', async () => {
    node.refusals.set('preflight', {
      status: 422,
      error: {
        code: 'config.bad',
        message: 'this is no URL of a database',
        hint: 'postgres://host:port/database',
        field: 'url',
      },
    });
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Add a database' }).click();
    const url = page.getByRole('dialog').getByLabel('URL');
    await url.fill('db3.plant.example');
    await page.getByRole('button', { name: 'Test the connection' }).click();
    await page.getByText('this is no URL of a database – postgres://host:port/database').waitFor();
    expect(await url.getAttribute('aria-invalid')).toBe('true');
    await url.fill('postgres://db3.plant.example:5432/orders');
    await page.getByText('this is no URL of a database').waitFor({ state: 'detached' });
    await context.close();
  });

  test('a test shows what is wrong with one database, and its cure', async () => {
    const findings = (ok: 'ok' | 'fail') => [
      { name: 'rights', ok, found: 'CREATE', ...(ok === 'fail' && { cure: 'GRANT …' }) },
    ];
    const report: PreflightView = {
      members: [
        { id: 'db1', url: '', findings: findings('ok') },
        { id: 'db2', url: '', findings: findings('fail') },
      ],
      cluster: [],
    };
    node.reactions.set('preflight', () => report);
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Test: db2' }).click();
    await page.getByRole('dialog').getByText('Not ready: 1 thing to cure').waitFor();
    await context.close();
  });

  test('options are saved together; what needs a restart says so', async () => {
    node.reactions.set('change-config', () => ({ applied: ['balancer'], needsRestart: ['username'] }));
    const { page, context } = await openDatabase();
    await page.getByLabel('Balancer').selectOption('random');
    await page.getByLabel('User name').fill('keeper');
    await page.getByText('2 changes, 1 of them in force only after a restart of the node').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved, but not yet in force').waitFor();
    expect(node.asked).toEqual([
      {
        command: 'change-config',
        input: {
          changes: [
            { path: 'username', value: 'keeper' },
            { path: 'balancer', value: 'random' },
          ],
        },
      },
    ]);
    await context.close();
  });

  test('an invalid option is refused beside its field, which gets the focus; what was entered stays', async () => {
    node.refusals.set('change-config', {
      status: 422,
      error: { code: 'config.bad', message: 'it is 50 to 60000 ms', field: 'probe.intervalMs' },
    });
    const { page, context } = await openDatabase();
    await page.getByText('Probes', { exact: true }).click();
    const interval = page.getByLabel(/^Interval/);
    await interval.fill('7');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('it is 50 to 60000 ms', { exact: true }).waitFor();
    expect(await interval.inputValue()).toBe('7');
    expect(await interval.evaluate((field) => field === field.ownerDocument.activeElement)).toBe(true);
    await interval.fill('5000');
    await page.getByText('= 5 s.').first().waitFor();
    await page.getByRole('button', { name: 'Discard' }).click();
    expect(await interval.inputValue()).toBe('1000');
    await context.close();
  });

  test('a password is typed unseen, names are entered with commas, and lists are shown with where to change them', async () => {
    node.reactions.set('change-config', () => ({ applied: [], needsRestart: ['password', 'admin.hosts'] }));
    const { page, context } = await openDatabase();
    await page.getByLabel(/^Password/).selectOption('entered here, kept in the configuration file');
    const password = page.getByLabel('The password');
    expect(await password.getAttribute('type')).toBe('password');
    await password.fill(' with: blanks ');
    await page.getByText('Further options', { exact: true }).click();
    await page.getByLabel(/^Hosts/).fill('db-host.example, other.example');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved, but not yet in force').waitFor();
    expect(node.asked).toEqual([
      {
        command: 'change-config',
        input: {
          changes: [
            { path: 'password', value: ' with: blanks ' },
            { path: 'admin.hosts', value: ['db-host.example', 'other.example'] },
          ],
        },
      },
    ]);
    expect(await page.getByText(/^(clients\.name|hooks\.post)$/).count()).toBe(0);
    await page.getByText('Users and hooks', { exact: true }).click();
    await page.getByText('report: password in the file ./report.password').waitFor();
    await page.getByText('app: password none, the login that all databases share').waitFor();
    await page.getByText('mail: runs /etc/lockstep/mail.sh, of warnings and errors').waitFor();
    node.reactions.set('reload', () => ({
      changed: true,
      message: '',
      applied: ['clients'],
      needsRestart: [],
    }));
    await page.getByText('The configuration file', { exact: true }).click();
    await page.getByRole('button', { name: 'Read the file again' }).click();
    await page.getByText('In force: clients.').first().waitFor();
    expect(node.asked.at(-1)).toEqual({ command: 'reload', input: {} });
    expect(await seriousFaults(page)).toEqual([]);
    await context.close();
  });

  test("a database's own password is typed unseen, too", async () => {
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Edit: db2' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Entered here, kept in the configuration file').check();
    await dialog.getByLabel('The password').fill('typed');
    expect(await dialog.getByLabel('The password').getAttribute('type')).toBe('password');
    expect(await seriousFaults(page)).toEqual([]);
    node.reactions.set('edit-member', () => ({ applied: [], needsRestart: ['members[1].password'] }));
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    expect(node.asked).toEqual([{ command: 'edit-member', input: { member: 'db2', password: 'typed' } }]);
    await context.close();
  });

  test('a database is removed only by who means it', async () => {
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Remove: db2' }).click();
    const remove = page.getByRole('button', { name: 'Remove db2' });
    expect(await remove.isDisabled()).toBe(true);
    await page.getByLabel('Yes, db2 leaves for good').check();
    await remove.click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(node.asked).toEqual([{ command: 'remove-member', input: { member: 'db2' } }]);
    await context.close();
  });
});
