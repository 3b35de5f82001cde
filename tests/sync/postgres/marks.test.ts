import { describe, expect, test } from 'vitest';
import { PostgresDataSync } from '../../../src/dialects/postgres/index.ts';
import { withServers } from '../../support/index.ts';
import {
  at,
  clusterId,
  differences,
  enrolledMember,
  freshMember,
  KeptRows,
  synchronise,
  term,
  watching,
} from './fresh-members.ts';

const members = withServers(1);
const sync = new PostgresDataSync({ pgDump: undefined, environment: process.env });

const schema = `CREATE TABLE t (id serial PRIMARY KEY, a text); INSERT INTO t (a) SELECT 'row ' || i FROM generate_series(1, 20) i;
  CREATE SEQUENCE unused; CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'), nextval('down')`;

describe('sync: marks', () => {
  test('an empty database becomes a member that says of itself that it is incomplete', async () => {
    const target = await freshMember(members.server(0));
    await sync.markIncomplete(target.member, 'nothing has been copied yet', { clusterId, term });
    const { marks, term: found } = await target.member.inspect();
    expect(marks).toMatchObject({
      clusterId,
      memberId: target.member.id,
      incomplete: 'nothing has been copied yet',
      active: [],
    });
    expect(found).toBe(term);
    await expect(sync.openSnapshot(target.member)).rejects.toThrow('nothing has been copied yet');
  });

  test('a snapshot stands for the last commit in the log that it sees', async () => {
    const source = await enrolledMember(members.server(0), { sql: schema });
    const record = (csn: number): string =>
      `INSERT INTO lockstep.log VALUES (${csn % 8}, ${csn}, 1, ${term}, NULL)`;
    const first = await sync.openSnapshot(source.member);
    await source.write(`${record(41)}; ${record(42)}`);
    const second = await sync.openSnapshot(source.member);
    await source.write(record(43));
    expect([first.csn, second.csn]).toEqual([at.csn, 42]);
    first.close();
    second.close();
  });

  test('after the end of a synchronisation the member stands where the snapshot stood', async () => {
    const source = await enrolledMember(members.server(0), { sql: schema });
    const target = await enrolledMember(members.server(0), { sql: schema });
    await target.write(`SELECT nextval('t_id_seq'), nextval('unused'); SELECT setval('down', 17, false) WHERE false;
      INSERT INTO lockstep.log VALUES (1, 99, 1, 3, NULL)`);
    await source.write(`SELECT setval('t_id_seq', 500), nextval('down')`);
    await synchronise(source, target);
    const { marks, lastCsn, term: found } = await target.member.inspect();
    expect(marks).toMatchObject({ incomplete: null, baseCsn: at.csn, version: at.version });
    expect([lastCsn, found]).toEqual([at.csn, term]);
    expect(await differences(source, target)).toEqual([]);
  });

  test('a member of another cluster is left alone', async () => {
    const target = await enrolledMember(members.server(0), { sql: schema });
    await expect(
      sync.markIncomplete(target.member, 'a test', { clusterId: 'other', term }),
    ).rejects.toMatchObject({ code: 'sync.foreign-member' });
    expect((await target.member.inspect()).marks?.incomplete).toBeNull();
  });

  test('a node of an older term can neither mark nor repair nor conclude', async () => {
    const source = await enrolledMember(members.server(0), { sql: schema });
    const target = await enrolledMember(members.server(0), { sql: schema });
    await target.write('DELETE FROM t WHERE id < 5');
    await sync.markIncomplete(target.member, 'a test', { clusterId, term });
    const snapshot = await sync.openSnapshot(source.member);
    const job = {
      source: source.member,
      snapshot,
      target: target.member,
      term,
      keeper: new KeptRows(),
      dryRun: false,
    };
    // The newer one takes over while the table is being compared.
    let taken: Promise<void> | undefined;
    const control = watching();
    control.pace = () => (taken ??= target.member.raiseTerm(term + 1));
    await target.write(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1000, 5000) i`);
    await expect(sync.diff({ ...job, control })).rejects.toMatchObject({ blame: 'fenced' });
    expect(await target.rows('SELECT count(*) FROM t WHERE id < 5')).toEqual([['0']]);

    await expect(sync.diff({ ...job, control: watching() })).rejects.toMatchObject({ blame: 'fenced' });
    await expect(sync.markIncomplete(target.member, 'late', { clusterId, term })).rejects.toMatchObject({
      blame: 'fenced',
    });
    await expect(sync.conclude(target.member, source.member, at)).rejects.toMatchObject({ blame: 'fenced' });
    expect((await target.member.inspect()).marks?.incomplete).toBe('a test');
    snapshot.close();
  });

  test('a newer node ends what an older one has at work in the member', async () => {
    const source = await enrolledMember(members.server(0), { sql: schema });
    const target = await enrolledMember(members.server(0), { sql: schema });
    await target.write(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1000, 5000) i`);
    const control = watching();
    let reached = (): void => undefined;
    const atWork = new Promise<void>((resolve) => (reached = resolve));
    const newer = sync.markIncomplete.bind(sync);
    let over = (): void => undefined;
    const taken = new Promise<void>((resolve) => (over = resolve));
    control.pace = () => {
      reached();
      return taken;
    };
    const older = synchronise(source, target, { control });
    older.catch(() => undefined);
    await atWork;
    await newer(target.member, 'the newer one', { clusterId, term: term + 1 });
    over();
    await expect(older).rejects.toMatchObject({ blame: 'gone' });
    expect((await target.member.inspect()).marks?.incomplete).toBe('the newer one');
  });

  test('schemas are found empty, equal or different', async () => {
    const source = await enrolledMember(members.server(0), { sql: schema });
    const target = await freshMember(members.server(0));
    const snapshot = await sync.openSnapshot(source.member);
    expect(await sync.compareSchema(snapshot, target.member)).toEqual({ kind: 'empty' });
    await sync.markIncomplete(target.member, 'a test', { clusterId, term });
    expect(await sync.compareSchema(snapshot, target.member)).toEqual({ kind: 'empty' });
    await target.write('CREATE TABLE t (id int)');
    expect(await sync.compareSchema(snapshot, target.member)).toMatchObject({
      kind: 'different',
      differences: expect.arrayContaining([expect.stringContaining('column public.t.a is missing')]),
    });
    await target.write(`DROP TABLE t; ${schema}`);
    expect(await sync.compareSchema(snapshot, target.member)).toEqual({ kind: 'equal' });
    snapshot.close();
  });
});
