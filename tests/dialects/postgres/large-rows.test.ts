/** Rows larger than the node holds: found in the stream of a write set without being kept, and applied from the log. */

import { describe, expect, test } from 'vitest';
import { changesOf, ChangeStream, isLarge, readChanges } from '../../../src/dialects/postgres/write-set.ts';
import type { Piece } from '../../../src/dialects/postgres/write-set.ts';
import { connect, withNode, withServers } from '../../support/index.ts';

const rowByRow = (piece: Piece): Piece[] => (piece.op === 'B' ? changesOf(piece) : [piece]);

const row = (op: string, ...images: string[]): string => `${op}6,4:publictabl${images.join('')}`;

const text = [
  row('INSERT', '(1,a)'),
  row('UPDATE', '(1,a)', String.raw`(1,"b""(\\)""")`),
  'Q6,3:publicsequp,7,t;',
  row('DELETE', `(2,"${'x)"",(\\\\'.repeat(100)}")`),
  'S1,2,2,8:rpa{}SELECT 1',
  'TRUNCATE6,4:publictabl',
  `B6,4:publictabl(4,a)(5,"${';)'.repeat(80)}")(6,b)(7,);`,
  row('INSERT', '(3,)'),
].join('');

describe('large rows: a write set read in parts', () => {
  test('holds the same changes wherever it is cut', () => {
    const whole = readChanges(Buffer.from(text));
    expect(whole.map(({ op }) => op).join('')).toBe('IUQDSTIIIII');
    for (let size = 1; size < 60; size++) {
      const stream = new ChangeStream(Infinity);
      const read: Piece[] = [];
      for (let at = 0; at < text.length; at += size)
        read.push(...stream.push(Buffer.from(text.slice(at, at + size))));
      stream.end();
      expect(read.flatMap(rowByRow), `in parts of ${size}`).toEqual(whole);
    }
  });

  test('gives of a large row where its images are', () => {
    for (let size = 1; size < 60; size++) {
      const stream = new ChangeStream(100);
      const read: Piece[] = [];
      for (let at = 0; at < text.length; at += size)
        read.push(...stream.push(Buffer.from(text.slice(at, at + size))));
      stream.end();
      const pieces = read.flatMap(rowByRow);
      expect(pieces.map(({ op }) => op).join('')).toBe('IUQDSTIIIII');
      const images = pieces.filter(isLarge).map((large) => {
        expect(large.table.toString()).toBe('tabl');
        return text.slice(large.images[0]?.from, large.images[0]?.to);
      });
      // The second is not large where all of it comes at once.
      expect(images[0]).toBe(`(2,"${'x)"",(\\\\'.repeat(100)}")`);
      expect(images.slice(1)).toEqual([`(5,"${';)'.repeat(80)}")`].slice(0, images.length - 1));
    }
  });

  test('that ends too early is found out', () => {
    for (const end of [text.length - 1, 10, 40]) {
      const stream = new ChangeStream(20);
      expect(() => {
        stream.push(Buffer.from(text.slice(0, end)));
        stream.end();
      }, `cut at ${end}`).toThrow('a write set is not as it should be');
    }
  });
});

describe('large rows: on every member', () => {
  const servers = withServers(2);
  const node = withNode(servers);
  const awkward = String.raw`repeat(E'x\\(")''\t\n\u00e9,', 400000)`;

  async function expectEqual(table: string): Promise<string> {
    const sums = await Promise.all(
      servers.servers.map(async (server) => {
        const client = await connect(server.url);
        const { rows } = await client.query(
          `SELECT count(*)::text || coalesce(string_agg(md5(t::text), ',' ORDER BY md5(t::text)), '') AS sum FROM ${table} t`,
        );
        return rows[0].sum as string;
      }),
    );
    expect(new Set(sums).size).toBe(1);
    return sums[0] as string;
  }

  test.each(['with a key', 'without a key'])('they are inserted, changed and deleted, %s', async (which) => {
    const client = await connect(node.url);
    const table = which === 'with a key' ? 'keyed' : 'keyless';
    await client.query(`CREATE TABLE ${table} (id int ${table === 'keyed' ? 'PRIMARY KEY' : ''}, v text)`);
    // Known to be large, and turning out to be so.
    await client.query(
      `DO $$ BEGIN INSERT INTO ${table} SELECT 1, ${awkward}; INSERT INTO ${table} VALUES (2, 'small'); END $$`,
    );
    await client.query(`INSERT INTO ${table} SELECT i, ${awkward} || i FROM generate_series(3, 4) i`);
    expect(await expectEqual(table)).toMatch(/^4/);
    await client.query('BEGIN');
    await client.query(`UPDATE ${table} SET v = v || 'more' WHERE id IN (1, 2, 3)`);
    await client.query(`DELETE FROM ${table} WHERE id = 4`);
    await client.query(`INSERT INTO ${table} VALUES (5, 'small')`);
    await client.query(`DELETE FROM ${table} WHERE id = 3`);
    await client.query('COMMIT');
    expect(await expectEqual(table)).toMatch(/^3/);
    expect((await node.node.status()).members.map(({ active }) => active)).toEqual([true, true]);
  });
});
