/** The observer itself: it convicts what has been done on purpose, each kind by its own words, and acquits who has done nothing. */

import { afterAll, describe, expect, test } from 'vitest';
import { findPostgres } from '../../src/testing/index.ts';
import { connect, withServers } from '../support/index.ts';
import type { Stage } from './stage.ts';
import type { Act } from './trial.ts';
import { Trial } from './trial.ts';

describe('attacks: the observer', () => {
  const fixture = withServers(2, { password: 'secret', binaries: findPostgres({ prefer: 'system' }) });
  const trial = new Trial(() => fixture.servers);
  afterAll(() => trial.end());

  /** Done by a superuser at one member, with the guard lifted. */
  const planted =
    (sql: string, index = 1) =>
    async (stage: Stage): Promise<void> => {
      const [server] = stage.servers.slice(index);
      await server?.query(`SET lockstep.guard = off; ${sql}`, undefined, stage.database);
    };

  const convicted = async (plant: (stage: Stage) => Promise<void>, act: Act = async () => {}) =>
    (
      await trial.charges(async (scene) => {
        await plant(await trial.stage());
        await act(scene);
      })
    ).join('\n');

  test('acquits an attacker who has done what he may', async () => {
    const honest: Act = async (scene) => {
      await scene('alice', 'through the node').hand.say(
        `INSERT INTO shop.ledger VALUES (9, 'alice', 'milk')`,
        'SELECT * FROM vault.letters',
      );
    };
    expect(await convicted(async () => {}, honest)).toBe('');
  });

  test.each([
    ['a right', planted('ALTER ROLE alice CREATEDB'), /db2: role alice was/],
    [
      'a membership',
      planted('GRANT pg_read_all_data TO mallory'),
      /membership of mallory in pg_read_all_data/,
    ],
    ['an owner', planted('ALTER TABLE vault.secrets OWNER TO alice', 0), /db1: relation vault\.secrets was/],
    ['a row', planted(`INSERT INTO vault.secrets VALUES (9, 'x')`), /db2: rows of vault\.secrets was/],
    ['a mark', planted(`INSERT INTO shop.steady VALUES (5)`), /marks of writes around Lockstep/],
    [
      'a member',
      (stage: Stage) => stage.node.node.deactivateMember('db2').then(() => undefined),
      /db2 is out/,
    ],
    [
      'a record',
      planted(`INSERT INTO lockstep.log VALUES (3, 987654321, 1, 1, '\\x00')`, 0),
      /db1: forged record 987654321/,
    ],
    [
      'a trigger',
      planted('ALTER TABLE shop.steady DISABLE TRIGGER "!lockstep_inserted"', 0),
      /members differ: rows shop\.steady/,
    ],
  ])('convicts of %s', async (_, plant, words) => {
    expect(await convicted(plant)).toMatch(words);
  });

  test('convicts of a lock, while it is held', async () => {
    const stage = await trial.stage();
    const holder = await connect(stage.memberUrl(0, 'postgres'));
    const lock = async (): Promise<void> =>
      void (await holder.query('BEGIN; LOCK TABLE shop.steady IN EXCLUSIVE MODE'));
    const said = await convicted(lock);
    await holder.end().catch(() => undefined);
    expect(said).toMatch(/a commit .* was stopped/);
  });

  test('convicts of a word that was heard', async () => {
    const curious: Act = async (scene) => {
      await scene('mallory', 'through the node').hand.say('SELECT * FROM vault.secrets');
    };
    // Either member may answer: a primary that is slow for others' commits leaves reads to the replica.
    const everywhere = async (stage: Stage): Promise<void> => {
      for (const index of [0, 1]) await planted('GRANT SELECT ON vault.secrets TO mallory', index)(stage);
    };
    expect(await convicted(everywhere, curious)).toMatch(/he has read vault-/);
  });
});
