import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PreflightView } from '../../src/console/contract.ts';
import { titleOf } from '../../src/console/pages/database/option-kind.ts';
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
        { id: 'db1', url: '', reach: 'database', findings: findings('ok') },
        { id: 'db2', url: '', reach: 'database', findings: findings('fail') },
      ],
      cluster: [],
    };
    node.reactions.set('preflight', () => report);
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Test: db2' }).click();
    await page.getByRole('dialog').getByText('Not ready: 1 thing to cure').waitFor();
    await context.close();
  });

  test('a URL is looked at while it is typed; a login in it is taken out; a former member comes back or is forgotten', async () => {
    let former: string | undefined = 'db7';
    node.reactions.set('preflight', ({ id, url }) => ({
      members: [
        {
          id,
          url,
          reach: String(url).includes('nobody') ? 'login' : 'database',
          holds: 'its own',
          ...(former !== undefined && id !== former && { former }),
          findings: [{ name: 'contents', ok: 'warn', found: 'it is not empty: 3 tables, about 12 rows' }],
        },
      ],
      cluster: [],
    }));
    node.reactions.set('free-database', () => {
      former = undefined;
      return { changed: true, message: 'It is an ordinary database again.' };
    });
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Add a database' }).click();
    const dialog = page.getByRole('dialog');
    const url = dialog.getByLabel('URL');
    await url.fill('postgres://db9.plant.example:5432/nobody');
    await dialog.getByText('There is no such database').waitFor();
    await dialog.getByText('Login works').waitFor();
    await url.fill('jdbc:postgresql://db9.plant.example:5433/orders?user=keeper&password=hush%21');
    await url.blur();
    expect(await url.inputValue()).toBe('postgres://db9.plant.example:5433/orders');
    expect(await dialog.getByLabel('User name (optional)').inputValue()).toBe('keeper');
    expect(await dialog.getByLabel('The password').inputValue()).toBe('hush!');
    await dialog.getByText('Database is not empty').waitFor();
    await dialog.getByRole('button', { name: 'Test the connection' }).click();
    await dialog.getByText('This database was part of the cluster before, as db7').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Forget its old membership' }).click();
    await dialog.getByText('This database was part').waitFor({ state: 'detached' });
    expect(node.asked).toEqual([
      {
        command: 'free-database',
        input: { url: 'postgres://db9.plant.example:5433/orders', username: 'keeper', password: 'hush!' },
      },
    ]);
    former = 'db7';
    await dialog.getByRole('button', { name: 'Test the connection' }).click();
    await dialog.getByRole('button', { name: 'Add it as db7' }).click();
    await dialog.getByRole('button', { name: 'Continue' }).waitFor();
    expect(await dialog.getByLabel('Name', { exact: true }).inputValue()).toBe('db7');
    await context.close();
  });

  test('a database with data of its own says so wherever it is shown, and offers what can be done', async () => {
    const reason = 'it has never been part of the cluster, and it has data of its own';
    const sync = {
      state: 'waiting',
      attempt: 1,
      strategy: null,
      reason,
      source: null,
      dryRun: false,
      startedAt: null,
      nextRetryAt: null,
      quarantined: false,
      progress: null,
    } as const;
    node.changeMember('db2', { active: false, state: 'inactive', role: 'none', reason: 'it is new', sync });
    const { page, context } = await openDatabase();
    for (const name of ['Database', 'Members', 'Overview']) {
      await page.getByRole('navigation').getByRole('link', { name }).click();
      await page.getByRole('main').getByText(reason, { exact: true }).first().waitFor();
      await page.getByText('Needs a decision').first().waitFor();
    }
    await page.getByRole('button', { name: 'Replace what it holds: db2' }).click();
    await page.getByRole('dialog').getByText('This cannot be undone').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await context.close();
  });

  test('a line that was deleted from the file is noticed on every page: it is put back, or the member is removed', async () => {
    const lost = {
      state: 'edited',
      missing: ['db2'],
      unread: ['probe.intervalMs'],
      waiting: [],
      fault: null,
    } as const;
    node.reactions.set('restore-members', () => {
      node.changeStatus({ file: { ...lost, missing: [] } });
      return { changed: true, message: 'db2 put back into the file.' };
    });
    node.config = { ...node.config, text: 'a\nb: 2\nc', before: 'a\nb: 1\nc' };
    const { page, context } = await openDatabase();
    node.changeStatus({ file: lost });
    await page.getByText('The configuration file does not name db2 any more').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Events' }).click();
    await page.getByRole('button', { name: 'Remove properly …' }).click();
    await page.getByRole('dialog').getByText('db2 leaves the cluster').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Put it back' }).click();
    await page.getByText('does not name db2').waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'See the difference' }).click();
    const lines = page.getByRole('list', { name: 'Difference to what the node read' }).getByRole('listitem');
    expect((await lines.allTextContents()).map((line) => line.trim())).toEqual(['a', '−b: 1', '+b: 2', 'c']);
    expect(await seriousFaults(page)).toEqual([]);
    node.changeStatus({
      file: { ...lost, state: 'broken', missing: [], unread: [], fault: 'lockstep.yaml:3:1: no tabs' },
    });
    await page.getByText('lockstep.yaml:3:1: no tabs').waitFor();
    await context.close();
  });

  test('options are saved together; what needs a restart says so', async () => {
    node.reactions.set('change-config', () => {
      node.changeStatus({ file: { ...node.status.file, state: 'edited', waiting: ['username'] } });
      return { applied: ['balancer'], needsRestart: ['username'] };
    });
    const { page, context } = await openDatabase();
    await page.getByLabel('Balancer').selectOption('random');
    await page.getByLabel('User name').fill('keeper');
    await page.getByText('2 changes, 1 of them in force only after a restart of the node').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved, but not yet in force').waitFor();
    // The node remembers it, not the page.
    await page.reload();
    await page.getByText('username takes effect when the node is started again.').waitFor();
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
    node.reactions.set('change-config', () => {
      node.changeStatus({ file: { ...node.status.file, state: 'edited', waiting: ['admin.hosts'] } });
      return { applied: ['password'], needsRestart: ['admin.hosts'] };
    });
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
    await page.getByText('Clients and hooks', { exact: true }).click();
    await page.getByText('report: password in the file ./report.password').waitFor();
    await page.getByText('shop: the password that the databases keep').waitFor();
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

  test('whoever asks to remove the last active one is told that it will be refused, and promised nothing', async () => {
    node.changeMember('db1', { active: false, state: 'held', role: 'none', reason: 'maintenance' });
    node.changeMember('db2', { role: 'primary' });
    const { page, context } = await openDatabase();
    await page.getByRole('button', { name: 'Remove: db2' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('It is the last active one: the node will refuse.').waitFor();
    expect(await dialog.getByText('takes its place').count()).toBe(0);
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
    expect(node.asked).toEqual([{ command: 'remove-member', input: { member: 'db2', free: true } }]);
    await context.close();
  });
});

test('console: a setting has a name that says whose it is', () => {
  const vague = /^(mode|ca|cert|key|source)$/i;
  for (const path of [
    'source',
    ...['mode', 'ca', 'cert', 'key'].map((key) => `tls.${key}`),
    'listen.tls.cert',
    'listen.tls.key',
  ])
    expect([path, titleOf({ ...anyOption, path }).title]).toEqual([path, expect.not.stringMatching(vague)]);
});

const anyOption = { type: 'text', default: 'none', help: '', allowed: '', restart: false };
