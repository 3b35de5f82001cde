import { describe, expect, test } from 'vitest';
import { PostgresDataSync } from '../../../src/dialects/postgres/index.ts';
import type { MemberDifference } from '../../../src/dialects/sync-contract.ts';
import { withServers } from '../../support/index.ts';
import { enrolledMember, watching } from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

const members = withServers(1);
const sync = new PostgresDataSync({ pgDump: undefined, environment: process.env });

const schema = `CREATE TABLE t (id serial PRIMARY KEY, a text); INSERT INTO t (a) SELECT 'row ' || i FROM generate_series(1, 500) i;
  CREATE TABLE u (a int); INSERT INTO u SELECT 1 FROM generate_series(1, 100); CREATE SEQUENCE s;
  CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)`;

async function three(): Promise<readonly FreshMember[]> {
  const one = await enrolledMember(members.server(0), { sql: schema });
  return [
    one,
    await enrolledMember(members.server(0), { sql: schema }),
    await enrolledMember(members.server(0), { sql: schema }),
  ];
}

async function compared(
  all: readonly FreshMember[],
  tables?: readonly string[],
): Promise<ReadonlyMap<string, MemberDifference>> {
  const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
  try {
    return (await sync.compare(snapshots, watching(), tables)).differences;
  } finally {
    for (const snapshot of snapshots) snapshot.close();
  }
}

describe('sync: verification', () => {
  test('says nothing of members that are equal', async () => {
    const all = await three();
    expect(await compared(all)).toEqual(new Map());
    const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
    const { tables } = await sync.compare(snapshots, watching());
    for (const snapshot of snapshots) snapshot.close();
    expect(tables).toEqual([
      { table: 'public.p1', rows: 1 },
      { table: 'public.t', rows: 500 },
      { table: 'public.u', rows: 100 },
    ]);
  });

  test('reports rows, definitions and tables that are not watched, by member', async () => {
    const all = await three();
    const [, two, third] = all as [FreshMember, FreshMember, FreshMember];
    await two.write(
      `UPDATE t SET a = 'wrong' WHERE id = 7; DELETE FROM u WHERE ctid = '(0,1)'; INSERT INTO p VALUES (1)`,
    );
    await third.write(`ALTER TABLE u ADD COLUMN b int; DROP TRIGGER "!lockstep_capture" ON t`);
    const found = await compared(all);
    expect([...found.keys()].toSorted()).toEqual([two.member.id, third.member.id].toSorted());
    expect(found.get(two.member.id)).toEqual({
      schema: [],
      sequences: [],
      tables: [
        { table: 'public.p1', missing: 0, extra: 1, samples: [{ kind: 'extra', row: '(1)' }] },
        {
          table: 'public.t',
          missing: 1,
          extra: 1,
          samples: [
            { kind: 'missing', row: '(7,"row 7")' },
            { kind: 'extra', row: '(7,wrong)' },
          ],
        },
        { table: 'public.u', missing: 1, extra: 0, samples: [{ kind: 'missing', row: '(1)' }] },
      ],
    });
    expect(found.get(third.member.id)).toMatchObject({
      schema: [
        expect.stringContaining('table public.t is not watched'),
        expect.stringContaining('column public.u.b'),
        expect.stringContaining('columns of table public.u'),
      ],
      tables: [],
    });
  });

  test('looks at the tables it is asked for, by any of their names', async () => {
    const all = await three();
    await all[1]?.write(`UPDATE t SET a = 'wrong' WHERE id = 7; INSERT INTO p VALUES (1)`);
    const tablesOf = async (...words: string[]): Promise<readonly string[]> =>
      [...(await compared(all, words)).values()].flatMap(({ tables }) => tables.map(({ table }) => table));
    expect(await tablesOf('u')).toEqual([]);
    expect(await tablesOf('public.t', 'u')).toEqual(['public.t']);
    expect(await tablesOf('p')).toEqual(['public.p1']);
    await expect(tablesOf('t', 'nosuch')).rejects.toMatchObject({ code: 'sync.no-such-table' });
  });

  test('a sequence that is behind is waited for; one that nothing explains is reported', async () => {
    const all = await three();
    const [one, two, third] = all as [FreshMember, FreshMember, FreshMember];
    await one.write(`SELECT setval('s', 10)`);
    await third.write(`SELECT setval('s', 99)`);
    const comparing = compared(all);
    // The sweep that comes about once a second.
    await two.write(`SELECT setval('s', 10)`);
    expect(await comparing).toEqual(
      new Map([
        [
          third.member.id,
          {
            schema: [],
            tables: [],
            sequences: [`sequence public.s stands at 10 on ${one.member.id} and at 99 on ${third.member.id}`],
          },
        ],
      ]),
    );
  });

  test('sees what was there when the snapshots were opened', async () => {
    const all = await three();
    const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
    await all[1]?.write('DELETE FROM t; INSERT INTO u VALUES (5)');
    expect((await sync.compare(snapshots, watching())).differences).toEqual(new Map());
    for (const snapshot of snapshots) snapshot.close();
  });

  test('gives way to a statement that changes a table', async () => {
    const all = await three();
    const control = watching();
    await all[0]?.write(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1000, 5000) i`);
    await all[1]?.write(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1000, 5000) i`);
    const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
    let changed: Promise<void> | undefined;
    // Held up for as long as it takes: the statement must not be.
    control.pace = async () => {
      changed ??= all[0]?.write('ALTER TABLE t ADD COLUMN b int');
      await changed;
    };
    await expect(sync.compare(snapshots, control)).rejects.toMatchObject({ code: 'sync.gave-way' });
    await changed;
    for (const snapshot of snapshots) snapshot.close();
  });

  test('what was emptied since then is not taken for empty', async () => {
    const all = await three();
    const snapshots = await Promise.all(all.map(({ member }) => sync.openSnapshot(member)));
    for (const member of all) await member.write('TRUNCATE t');
    await expect(sync.compare(snapshots, watching())).rejects.toMatchObject({ code: 'sync.table-changed' });
    for (const snapshot of snapshots) snapshot.close();
  });
});
