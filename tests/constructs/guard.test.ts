import { describe, expect, test } from 'vitest';
import { connect, psql } from '../support/index.ts';
import { withConstructs } from './run-scenarios.ts';

describe('constructs: the guard and the checker', () => {
  const constructs = withConstructs();
  const memberUrl = (index: number): string => constructs.servers[index]?.url ?? '';

  test('a member that is written around Lockstep refuses, until an operator lifts the guard', async () => {
    const through = await connect(constructs.node.url);
    await through.query(
      'CREATE TABLE guarded (id serial PRIMARY KEY, v int); INSERT INTO guarded (v) VALUES (1)',
    );
    for (const index of [0, 1, 2]) {
      const around = await connect(memberUrl(index));
      for (const sql of [
        'INSERT INTO guarded VALUES (2, 2)',
        'UPDATE guarded SET v = 3',
        'DELETE FROM guarded',
        'TRUNCATE guarded',
        'ALTER TABLE guarded ADD w int',
        'DROP TABLE guarded',
        'CREATE TABLE beside (a int)',
      ])
        await expect(around.query(sql), sql).rejects.toMatchObject({
          code: 'LS002',
          hint: expect.stringMatching(/node.*lockstep\.guard/s),
        });
      await around.query('CREATE TEMP TABLE own (a int); INSERT INTO own VALUES (1); DROP TABLE own');
      await around.query('SET lockstep.guard = off; UPDATE guarded SET v = 10');
    }
    await constructs.rest();
    expect((await through.query('SELECT v FROM guarded')).rows).toEqual([{ v: 10 }]);
  });

  test('members whose capture was broken on purpose are found to differ', async () => {
    const through = await connect(constructs.node.url);
    await through.query(
      'CREATE TABLE watched (id serial PRIMARY KEY, v int); INSERT INTO watched (v) VALUES (1)',
    );
    await constructs.rest();
    const { members } = await constructs.node.node.status();
    const primary = members.findIndex(({ role }) => role === 'primary');
    const broken = await psql(
      memberUrl(primary),
      `SET lockstep.guard = off; ALTER TABLE watched DISABLE TRIGGER "!lockstep_capture";`,
    );
    expect(broken.stderr).toBe('');
    await through.query('UPDATE watched SET v = 2');
    await expect(constructs.rest(500)).rejects.toThrow(
      /rows public\.watched \(1,2\)[\s\S]*db\d: 1[\s\S]*\(nothing\)/,
    );
  });

  test('a member that cannot change the same rows says so, and keeps nothing of what it could not carry out whole', async () => {
    const through = await connect(constructs.node.url);
    await through.query(
      `CREATE TABLE lost (id int PRIMARY KEY, v int); INSERT INTO lost VALUES (1, 1), (2, 2)`,
    );
    const { members } = await constructs.node.node.status();
    const replica = members.findIndex(({ role }) => role === 'replica');
    const id = members[replica]?.id ?? '';
    const around = await connect(memberUrl(replica));
    await around.query('SET lockstep.guard = off; DELETE FROM lost WHERE id = 1');
    await through.query('UPDATE lost SET v = v + 10');
    const after = (await constructs.node.node.status()).members[replica];
    expect(after).toMatchObject({
      active: false,
      reason: expect.stringContaining('2 rows of public.lost were to change, 1 did') as string,
    });
    expect((await around.query('SELECT * FROM lost')).rows).toEqual([{ id: 2, v: 2 }]);
    // Its log ends before what it could not carry out: it is not taken for level, but brought level.
    await constructs.node.node.activateMember(id);
    expect((await around.query('SELECT * FROM lost ORDER BY id')).rows).toEqual([
      { id: 1, v: 11 },
      { id: 2, v: 12 },
    ]);
  });
});
