import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import type { JobStatus } from '../../src/console/contract.ts';
import { seriousFaults } from './accessibility.ts';
import { signIn, useBrowser, withoutBrowser } from './browser.ts';
import { FakeNode, TOKEN } from './fake-node.ts';

describe.skipIf(withoutBrowser)('console: members', { timeout: 240_000 }, () => {
  const open = useBrowser();
  let node: FakeNode;
  let address: string;

  beforeEach(async () => {
    node = new FakeNode();
    address = await node.start();
  });
  afterEach(() => node.stop());

  async function openMembers() {
    const opened = await open(address);
    await signIn(opened.page, TOKEN);
    await opened.page.getByRole('navigation').getByRole('link', { name: 'Members' }).click();
    await opened.page.getByRole('heading', { name: 'db2', exact: true }).waitFor();
    return opened;
  }

  const takeOut = (id: string) =>
    node.changeMember(id, { active: false, state: 'held', role: 'none', reason: 'maintenance' });

  test('taking a member out says what will happen, does nothing when cancelled, and sends the reason', async () => {
    const { page, context } = await openMembers();
    const button = page.getByRole('button', { name: 'Deactivate: db2' });
    await button.click();
    await page.getByText('db1, db3 stay active.').waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await button.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
    expect(node.asked).toEqual([]);
    await button.click();
    await page.getByLabel('Reason (optional)').fill('new disk');
    await page.getByRole('button', { name: 'Deactivate db2', exact: true }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(node.asked).toEqual([
      { command: 'deactivate-member', input: { member: 'db2', reason: 'new disk' } },
    ]);
    await context.close();
  });

  test('a refusal stays in the question, with what to do', async () => {
    node.refusals.set('switch-primary', {
      status: 409,
      error: {
        code: 'cluster.busy',
        message: 'db2 is too far behind',
        hint: 'wait until its lag is below 100',
      },
    });
    const { page, context } = await openMembers();
    await page.getByRole('button', { name: 'Make primary: db2' }).click();
    await page.getByRole('button', { name: 'Make db2 primary' }).click();
    const alert = page.getByRole('dialog').getByRole('alert');
    await alert.getByText('db2 is too far behind').waitFor();
    await alert.getByText('wait until its lag is below 100').waitFor();
    await context.close();
  });

  test('an activation that fails at once is said aloud, and its details have the button that helps', async () => {
    takeOut('db3');
    const job = dryRun();
    node.reactions.set('sync-member', () => {
      const message = 'it has never been part of the cluster, and it has data of its own';
      const error = {
        code: 'sync.refused',
        message,
        outcome: 'none',
        hint: 'lockstep sync db3 --strategy full',
      } as const;
      node.jobs = [
        { ...job, state: 'failed', endedAt: new Date().toISOString(), error: { ...error, retryable: false } },
      ];
      return { job: { id: job.id } };
    });
    const { page, context } = await openMembers();
    await page.getByRole('button', { name: 'Activate: db3' }).click();
    await page.getByRole('button', { name: 'Activate db3', exact: true }).click();
    await page.getByText('Synchronisation of db3 has failed: it has never been part').waitFor();
    await page.getByRole('button', { name: 'Details: Synchronisation of db3' }).click();
    const dialog = page.getByRole('dialog');
    expect(await dialog.getByText('lockstep sync').count()).toBe(0);
    await dialog.getByRole('button', { name: 'Replace what it holds' }).click();
    await dialog.getByText('This cannot be undone').waitFor();
    await context.close();
  });

  test('a copy of everything has to be meant', async () => {
    takeOut('db3');
    const { page, context } = await openMembers();
    await page.getByRole('button', { name: 'Synchronise …: db3' }).click();
    await page.getByLabel('Copy everything').check();
    const begin = page.getByRole('button', { name: 'Synchronise db3' });
    expect(await begin.isDisabled()).toBe(true);
    await page.getByLabel('Yes, do that to db3').check();
    await page.getByLabel('At most (MB/s, optional)').fill('20');
    await begin.click();
    await page.getByText('db3 is being brought level.').waitFor();
    expect(node.asked).toEqual([
      { command: 'sync-member', input: { member: 'db3', strategy: 'full', maxRate: 20_000_000 } },
    ]);
    await context.close();
  });

  test('a dry run is followed to its end, and shows the rows', async () => {
    takeOut('db3');
    const job = dryRun();
    node.reactions.set('sync-member', () => {
      node.jobs = [job];
      return { job };
    });
    const { page, context } = await openMembers();
    await page.getByRole('button', { name: 'Synchronise …: db3' }).click();
    await page.getByLabel(/^Dry run/).check();
    await page.getByRole('button', { name: 'Begin the dry run' }).click();
    await page.getByText('Looking at what is needed').waitFor();
    node.jobs = [finished(job)];
    await page.getByText('Rows of 1 table of db3 would change').waitFor();
    await rowShown(page, '(4711,open)');
    expect(await seriousFaults(page)).toEqual([]);
    await context.close();
  });

  test('clients are paused and let go on, and every page says so meanwhile', async () => {
    node.reactions.set('pause', () => {
      node.changeStatus({ paused: true });
    });
    const { page, context } = await open(address);
    await signIn(page, TOKEN);
    await page.getByRole('navigation').getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('button', { name: 'Pause clients' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Clients are paused').waitFor();
    await page.getByRole('banner').getByText('Paused').waitFor();
    await page.getByRole('button', { name: 'Let clients go on' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(node.asked.map(({ command }) => command)).toEqual(['pause', 'resume']);
    await context.close();
  });

  test('fifty members and ten thousand events stay usable', async () => {
    await node.stop();
    node = new FakeNode({ members: 50, events: 10_000 });
    address = await node.start();
    const { page, context, complaints } = await openMembers();
    expect(await page.getByRole('listitem', { name: /^Member db/ }).count()).toBe(50);
    await page.getByLabel('Find').fill('db4');
    await page.getByText('11 members').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Events' }).click();
    for (let shown = 200; shown < 2000; shown += 200) {
      await page.getByText(`${shown.toLocaleString('en')} events shown`).waitFor();
      await page.getByRole('button', { name: 'Show older events' }).click();
    }
    await page.getByText('2,000 events shown').waitFor();
    // Answers to the hand must not wait for all those rows. The page's own work counts, not how busy the machine is.
    const devtools = await context.newCDPSession(page);
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    const workedMs = async () => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1000;
    };
    const before = await workedMs();
    await page.getByLabel('Find in text').fill('no probe');
    await page.getByText(/^28\d events shown$/).waitFor();
    expect((await workedMs()) - before).toBeLessThan(2000);
    await page.getByLabel('Level').selectOption('error');
    await page.getByLabel('Find in text').fill('');
    await page.getByText('200 events shown').waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });
});

function dryRun(): JobStatus {
  const startedAt = new Date().toISOString();
  const progress = {
    phase: 'choose',
    table: null,
    tablesDone: 0,
    tablesTotal: 0,
    rowsDone: 0,
    rowsTotal: 0,
    bytesDone: 0,
    rowsPerSecond: 0,
    bytesPerSecond: 0,
    leftMs: null,
    ofTable: null,
    lagCsn: null,
  } as const;
  return {
    id: 1,
    kind: 'sync',
    member: 'db3',
    state: 'running',
    startedAt,
    endedAt: null,
    progress,
    result: null,
    error: null,
  };
}

function finished(job: JobStatus): JobStatus {
  const table = {
    table: 'public.orders',
    missing: 1,
    extra: 1,
    samples: [
      { kind: 'missing', row: '(4711,paid)' },
      { kind: 'extra', row: '(4711,open)' },
    ],
  } as const;
  return {
    ...job,
    kind: 'sync',
    state: 'done',
    endedAt: new Date().toISOString(),
    result: {
      member: 'db3',
      source: 'db2',
      strategy: 'diff',
      reason: 'the log that it lacks is no longer kept',
      dryRun: true,
      tables: [table],
      keptFile: null,
      rows: 2,
      bytes: 120,
      tookMs: 420,
    },
  };
}

async function rowShown(page: Page, row: string): Promise<void> {
  await page.getByRole('dialog').getByText(row).waitFor();
}
