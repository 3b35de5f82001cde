import { describe, expect, test } from 'vitest';
import { withServers } from '../../support/index.ts';
import { compared, compareOf, differing, isEqual, sync } from './compared.ts';
import { enrolledMember, term, watching } from './fresh-members.ts';
import type { FreshMember } from './fresh-members.ts';

const members = withServers(1);

const schema = `CREATE TABLE t (id serial PRIMARY KEY, a text); INSERT INTO t (a) SELECT 'row ' || i FROM generate_series(1, 500) i;
  CREATE TABLE u (a int); INSERT INTO u SELECT 1 FROM generate_series(1, 100); CREATE SEQUENCE s;
  CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); INSERT INTO p VALUES (1)`;

async function three(): Promise<readonly [FreshMember, FreshMember, FreshMember]> {
  const one = await enrolledMember(members.server(0), { sql: schema });
  return [
    one,
    await enrolledMember(members.server(0), { sql: schema }),
    await enrolledMember(members.server(0), { sql: schema }),
  ];
}

const opened = (all: readonly FreshMember[]) =>
  Promise.all(all.map(({ member }) => sync.openSnapshot(member)));

describe('sync: verification', () => {
  test('says nothing of members that are equal', async () => {
    const found = await compared(await three());
    expect(isEqual(found)).toBe(true);
    expect(found.tables.map(({ table, rows }) => [table, rows])).toEqual([
      ['public.p1', 1],
      ['public.t', 500],
      ['public.u', 100],
    ]);
  });

  test('reports rows side by side, by member, and definitions', async () => {
    const all = await three();
    const [one, two, third] = all;
    await two.write(
      `UPDATE t SET a = 'wrong' WHERE id = 7; DELETE FROM t WHERE id = 8; INSERT INTO t VALUES (900, 'new');
       DELETE FROM u WHERE ctid = '(0,1)'; INSERT INTO p VALUES (1)`,
    );
    await third.write(`ALTER TABLE u ADD COLUMN b int`);
    const found = await compared(all);
    const [ofP, ofT, ofU] = found.tables.map(({ differences }) => differences.get(two.member.id));
    expect(ofP).toMatchObject({ missing: 0, extra: 1, samples: [{ kind: 'extra', row: '(1)' }] });
    expect(ofT).toMatchObject({
      missing: 2,
      extra: 2,
      atLeast: false,
      pairs: expect.arrayContaining([
        { key: { id: '7' }, right: { id: '7', a: 'row 7' }, other: { id: '7', a: 'wrong' } },
        { key: { id: '8' }, right: { id: '8', a: 'row 8' }, other: undefined },
        { key: { id: '900' }, right: undefined, other: { id: '900', a: 'new' } },
      ]),
    });
    expect(ofT?.pairs).toHaveLength(3);
    expect(ofU).toMatchObject({
      missing: 1,
      extra: 0,
      pairs: [{ key: undefined, right: { a: '1' }, other: undefined }],
    });
    expect(found.tables.map(({ table, members: those }) => [table, those])).toEqual([
      ['public.p1', all.map(({ member }) => member.id)],
      ['public.t', all.map(({ member }) => member.id)],
      // Its columns are others on the third one.
      ['public.u', [one.member.id, two.member.id]],
    ]);
    expect([...found.schema]).toEqual([
      [
        third.member.id,
        [
          { what: 'column public.u.b', text: expect.stringContaining('is missing on') },
          { what: 'columns of table public.u', text: expect.any(String) },
        ],
      ],
    ]);
  });

  test('others are held against the first one in each table by itself, however many they are', async () => {
    const all = await three();
    const [one, two, third] = all;
    const [, ...others] = all.map(({ member }) => member.id);
    await one.write(`DELETE FROM t WHERE id = 1`);
    await third.write(`INSERT INTO u VALUES (2)`);
    expect(differing(await compared(all))).toEqual({ 'public.t': others, 'public.u': [others[1]] });
    expect(differing(await compared([two, third]))).toEqual({ 'public.u': [others[1]] });
    // Three of a kind.
    await two.write(`DELETE FROM t WHERE id = 2`);
    expect(differing(await compared(all))['public.t']).toEqual(others);
  });

  test('a table whose trigger is gone, disabled or replaced is found, and watched again', async () => {
    const all = await three();
    const [one, two] = all;
    const empty = `CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;
    for (const { write } of all) await write(empty);
    await one.write(
      `DROP TRIGGER "!lockstep_capture" ON t; ALTER TABLE u DISABLE TRIGGER "!lockstep_inserted"`,
    );
    await two.write(`DROP TRIGGER "!lockstep_truncate" ON t;
      CREATE TRIGGER "!lockstep_truncate" BEFORE TRUNCATE ON t EXECUTE FUNCTION nothing(); DROP TRIGGER "!lockstep_capture" ON p1`);
    const tables = async () =>
      new Map([...(await compared(all)).unwatched].map(([id, found]) => [id, found.map(({ what }) => what)]));
    expect(await tables()).toEqual(
      new Map([
        [one.member.id, ['public.t', 'public.u']],
        [two.member.id, ['public.p1', 'public.t']],
      ]),
    );
    await sync.watchTables(one.member, term);
    expect([...(await tables()).keys()]).toEqual([two.member.id]);
    await expect(sync.watchTables(two.member, term - 1)).rejects.toMatchObject({ blame: 'fenced' });
  });

  test('looks at the tables it is asked for, by any of their names, and not again at those it knows', async () => {
    const all = await three();
    await all[1].write(`UPDATE t SET a = 'wrong' WHERE id = 7; INSERT INTO p VALUES (1)`);
    const tablesOf = async (...tables: string[]): Promise<readonly string[]> =>
      Object.keys(differing(await compared(all, { tables })));
    expect(await tablesOf('u')).toEqual([]);
    expect(await tablesOf('public.t', 'u')).toEqual(['public.t']);
    expect(await tablesOf('p')).toEqual(['public.p1']);
    await expect(tablesOf('t', 'nosuch')).rejects.toMatchObject({ code: 'sync.no-such-table' });
    const rest = await compared(all, { skip: new Set(['public.t']), definitions: false });
    expect(rest.tables.map(({ table }) => table)).toEqual(['public.p1', 'public.u']);
    const first = await compared(all, { onTable: () => false });
    expect(first.tables).toHaveLength(0);
  });

  test('a sequence that is behind is waited for; one that nothing explains is reported', async () => {
    const all = await three();
    const [one, two, third] = all;
    await one.write(`SELECT setval('s', 10)`);
    await third.write(`SELECT setval('s', 99)`);
    const comparing = compared(all);
    // The sweep that comes about once a second.
    await two.write(`SELECT setval('s', 10)`);
    const text = `sequence public.s stands at 10 on ${one.member.id} and at 99 on ${third.member.id}`;
    expect((await comparing).sequences).toEqual(
      new Map([[third.member.id, [{ what: 'sequence public.s', text }]]]),
    );
  });

  test('sees what was there when the snapshots were taken', async () => {
    const all = await three();
    const prepared = await Promise.all(all.map(({ member }) => sync.prepareSnapshot(member)));
    await all[2].write(`DELETE FROM t WHERE id = 3`);
    const snapshots = await Promise.all(prepared.map((one) => one.take()));
    for (const one of prepared) one.close();
    await all[1].write('DELETE FROM t; INSERT INTO u VALUES (5)');
    expect(differing(await compareOf(snapshots))).toEqual({ 'public.t': [all[2].member.id] });
    for (const snapshot of snapshots) snapshot.close();
  });

  test('gives way to a statement that changes a table; what it has told of before stays told', async () => {
    const all = await three();
    const control = watching();
    for (const { write } of all)
      await write(`INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1000, 5000) i`);
    const snapshots = await opened(all);
    let changed: Promise<void> | undefined;
    // Held up for as long as it takes: the statement must not be.
    control.pace = async () => {
      changed ??= all[0].write('ALTER TABLE t ADD COLUMN b int');
      await changed;
    };
    const told: string[] = [];
    const comparing = compareOf(snapshots, { control, onTable: ({ table }) => told.push(table) > 0 });
    await expect(comparing).rejects.toMatchObject({ code: 'sync.gave-way' });
    await changed;
    expect(told).toEqual(['public.p1']);
    for (const snapshot of snapshots) snapshot.close();
  });

  test('what was emptied, changed or dropped since then is put off, and says nothing of anybody', async () => {
    const all = await three();
    const snapshots = await opened(all);
    for (const { write } of all)
      await write('TRUNCATE t; ALTER TABLE u DROP COLUMN a; ALTER TABLE u ADD COLUMN c int; DROP TABLE p1');
    const { tables } = await compareOf(snapshots, { definitions: false });
    expect(
      tables.map(({ table, failure, differences }) => [table, failure !== undefined, differences.size]),
    ).toEqual([
      ['public.p1', true, 0],
      ['public.t', true, 0],
      ['public.u', true, 0],
    ]);
    for (const snapshot of snapshots) snapshot.close();
    expect(isEqual(await compared(all))).toBe(true);
  });
});
