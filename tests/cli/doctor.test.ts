/** `doctor`: what it finds wrong with pretended clusters, and with a real one. */

import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adminAddress, openAdminServer } from '../../src/admin/index.ts';
import type { AdminServer, ClusterStatus, MemberStatus } from '../../src/admin/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { memberHealth } from '../../src/dialects/postgres/index.ts';
import { lookAtCluster, lookAtMember } from '../../src/cli/doctor/look-at-status.ts';
import { program as wiring } from '../../src/cli/wiring.ts';
import { FreshCluster } from '../failure/fresh-cluster.ts';
import {
  fakeOperations,
  memberStatus,
  fileAsItWas,
  neverVerified,
  unrecorded,
} from '../support/fake-operations.ts';
import { withServers } from '../support/index.ts';
import { configDirectory, FakeCli } from './fake-cli.ts';

const base: ClusterStatus = {
  cluster: 'orders',
  role: 'master',
  term: 1,
  version: 1,
  csn: 5,
  primary: 'db1',
  listen: [],
  uptimeMs: 61_000,
  paused: false,
  clients: 2,
  members: [memberStatus({ role: 'primary' }), memberStatus({ id: 'db2' })],
  verification: neverVerified,
  file: fileAsItWas,
};
const NOW = Date.parse('2026-01-20T00:00:00Z');

describe('cli: doctor: the judgement', () => {
  const of = (status: Partial<ClusterStatus>) =>
    lookAtCluster({ ...base, ...status }, NOW).map(({ name, ok }) => `${name} ${ok}`);
  const member = (status: Partial<MemberStatus>) =>
    lookAtMember(
      memberStatus({ id: 'db2', active: false, role: 'none', state: 'failed', reason: 'gone', ...status }),
    )[0];

  test('cli: doctor: one active member is the last, none is a fault', () => {
    expect(of({})).toEqual(['node ok', 'active members ok', 'verification ok']);
    const [first, second] = base.members as [MemberStatus, MemberStatus];
    expect(of({ members: [first, { ...second, active: false }] })[1]).toBe('active members warn');
    expect(of({ members: [{ ...first, active: false }] })[1]).toBe('active members fail');
  });

  test('cli: doctor: a verification that found differences, or was long ago', () => {
    const verified = (outcome: 'equal' | 'differs' | 'unchecked', at: string) =>
      of({ verification: { ...neverVerified, outcome, at } })[2];
    expect(verified('equal', '2026-01-19T00:00:00Z')).toBe('verification ok');
    expect(verified('equal', '2026-01-01T00:00:00Z')).toBe('verification warn');
    expect(verified('unchecked', '2026-01-19T00:00:00Z')).toBe('verification warn');
    expect(verified('differs', '2026-01-19T00:00:00Z')).toBe('verification fail');
  });

  test('cli: doctor: who is not active has a reason and a cure', () => {
    const sync = {
      state: 'waiting',
      attempt: 2,
      strategy: null,
      reason: 'no pg_dump',
      source: null,
      dryRun: false,
      startedAt: null,
      nextRetryAt: null,
      quarantined: false,
      progress: null,
    } as const;
    expect(member({ state: 'held', reason: 'a new disk' })).toMatchObject({
      ok: 'warn',
      found: 'held: a new disk',
      cure: 'lockstep member activate db2',
    });
    expect(member({})).toMatchObject({ ok: 'fail', cure: 'lockstep sync db2' });
    expect(member({ sync })).toMatchObject({
      ok: 'fail',
      found: expect.stringContaining('the last attempt: no pg_dump'),
    });
    expect(member({ sync: { ...sync, state: 'running' } })).toMatchObject({ ok: 'warn' });
    expect(member({ active: true, role: 'replica', lagCsn: 5000, reason: null })).toMatchObject({
      ok: 'warn',
    });
  });
});

describe('cli: doctor: the command', () => {
  let directory: string;
  let file: string;
  let server: AdminServer | undefined;
  beforeEach(async () => {
    ({ directory, file } = await configDirectory());
    server = await openAdminServer(
      adminAddress(directory),
      unrecorded(fakeOperations({ status: () => Promise.resolve(base) })),
    );
    await chmod(directory, 0o700);
  });
  afterEach(async () => {
    await server?.close();
    await rm(directory, { recursive: true });
  });

  const check = () =>
    Promise.resolve({
      members: [
        {
          id: 'db1',
          url: 'postgres://h/1',
          findings: [{ name: 'server version', ok: 'ok', found: '18' } as const],
        },
        {
          id: 'db2',
          url: 'postgres://h/2',
          findings: [{ name: 'connection', ok: 'fail', found: 'refused', cure: 'start it' } as const],
        },
      ],
      cluster: [],
    });

  test('cli: doctor: says what is wrong and what to do, counts what is well, and has status 1', async () => {
    const cli = new FakeCli({ check });
    expect(await cli.run('doctor', '--config', file)).toBe(1);
    expect(cli.stdout).toContain('db1  postgres://h/1: well');
    expect(cli.stdout).toMatch(
      /db2 {2}postgres:\/\/h\/2: 1 of 2 well\n {2}fail {2}connection {2}refused\n {8}cure: start it/,
    );
    expect(cli.stdout).toContain('1 to mend, 0 to look at');
    const json = new FakeCli({ check });
    await json.run('doctor', '--config', file, '--json');
    expect(json.json()).toMatchObject({
      groups: expect.arrayContaining([expect.objectContaining({ title: 'node' })]),
    });
  });

  test('cli: doctor: a wrong file is all that can be said; the state directory is no one else’s; no node is a fault', async () => {
    const well = () => Promise.resolve({ members: [], cluster: [] });
    await chmod(directory, 0o777);
    await server?.close();
    const cli = new FakeCli({ check: well });
    expect(await cli.run('doctor', '--config', file)).toBe(1);
    expect(cli.stdout).toContain(`may be written by others\n        cure: chmod 700 '${directory}'`);
    expect(cli.stdout).toContain('no node answers');
    await writeFile(file, 'cluster: orders\nbalancr: x\n');
    const wrong = new FakeCli();
    expect(await wrong.run('doctor', '--config', file)).toBe(1);
    expect(wrong.stdout).toContain('there is no such option; did you mean: balancer');
    await mkdir(join(directory, 'none'));
    const absent = new FakeCli();
    expect(await absent.run('doctor', '--config', join(directory, 'none', 'x.yaml'))).toBe(2);
  });
});

describe('cli: doctor: a real cluster', () => {
  const fixture = withServers(2);

  test('cli: doctor: well while it is; a member that was taken out, one that is gone, and no node are found', async () => {
    const cluster = await FreshCluster.start(fixture.servers);
    const file = join(cluster.dir, 'lockstep.yaml');
    const look = async (): Promise<{ status: number; text: string }> => {
      const cli = new FakeCli(wiring);
      const status = await cli.run('doctor', '--config', file);
      return { status, text: cli.stdout };
    };
    try {
      const well = await look();
      expect([well.status, well.text]).toEqual([0, expect.stringContaining('nothing to mend')]);
      expect(well.text).toContain('node: well');
      for (const { findings } of await wiring.examine(await loadConfig(file, {}))) {
        expect(findings.map(({ name, ok }) => `${name} ${ok}`)).toEqual([
          'clock ok',
          'long transactions ok',
          'commit log ok',
          'transaction ids ok',
        ]);
      }
      await cluster.node.deactivateMember('db2', 'a new disk');
      const held = await look();
      expect(held.text).toMatch(/warn {2}active .*held: a new disk\n {8}cure: lockstep member activate db2/);
      await cluster.member('db2').server.kill9();
      const gone = await look();
      expect(gone.status).toBe(1);
      expect(gone.text).toMatch(/fail {2}connection /);
      await cluster.stopNode();
      expect((await look()).text).toMatch(/fail {2}node .*no node answers/);
    } finally {
      await cluster.stop();
    }
  });

  test('cli: doctor: a clock that is off and a transaction that is old are found', async () => {
    const rows = (answers: Readonly<Record<string, (string | null)[][]>>) => ({
      rows: (sql: string) =>
        Promise.resolve(Object.entries(answers).find(([part]) => sql.includes(part))?.[1] ?? [['0', '0']]),
    });
    const found = await memberHealth(
      rows({
        clock_timestamp: [[String(NOW - 60_000)]],
        pg_stat_activity: [['4711', 'report', 'idle in transaction', '90']],
        datfrozenxid: [['1900000000']],
        pg_total_relation_size: [['8', String(5 * 2 ** 30)]],
      }) as never,
      { retentionBytes: 2 ** 30, wallTime: () => new Date(NOW) },
    );
    expect(found.map(({ ok }) => ok)).toEqual(['warn', 'warn', 'warn', 'warn']);
    expect(found[0]?.found).toBe('60000 ms behind this machine');
    expect(found[1]?.found).toBe('process 4711 (report, idle in transaction) for 90 minutes');
  });
});
