import { describe, expect, test } from 'vitest';
import { withServers } from '../../support/index.ts';
import type { LoggedRun } from '../../../src/dialects/contract.ts';
import { placesOf } from '../../../src/dialects/logged-runs.ts';
import { enrolledMember } from './member-connection.ts';

const fixture = withServers(1);

describe('log: a segment is emptied', () => {
  test('only when nothing newer than its reader knew of has been written there', async () => {
    const [server] = fixture.servers;
    if (server === undefined) throw new Error('there is a server');
    const member = await enrolledMember(server);
    const records = async (): Promise<readonly number[]> =>
      placesOf(await member.log.list(0)).map(({ csn }) => csn);
    await server.query(
      `INSERT INTO lockstep.log VALUES (1, 5, 1, 1, 'x'), (1, 6, 1, 1, 'x'), (2, 7, 1, 1, 'x')`,
    );

    // Given up when 4 was the last, and carried out only now.
    await expect(member.dropSegment(1, 4)).rejects.toThrow(/error 55006/);
    await expect(member.dropSegment(1, 5)).rejects.toThrow(/error 55006/);
    expect(await records()).toEqual([5, 6, 7]);
    expect((await member.inspect()).marks?.baseCsn).toBe(0);
    await member.dropSegment(1, 7);
    expect(await records()).toEqual([7]);
    // The log begins above what was dropped.
    expect((await member.inspect()).marks?.baseCsn).toBe(6);
    await member.dropSegment(1, 7);
    await member.dropSegment(2, 7);
    expect(await member.inspect()).toMatchObject({ lastCsn: 7, marks: { baseCsn: 7 } });
  });
});

test('log: what it holds is listed as runs, cut wherever anything but the number changes', async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const member = await enrolledMember(server);
  // CSN, term, segment, dead. One that is missing, one that is dead, another term, another segment, and one in two parts.
  await server.query(
    `TRUNCATE lockstep.log;
     INSERT INTO lockstep.log (csn, term, slot, part, payload) VALUES
       (1, 1, 0, 1, 'x'), (2, 1, 0, 1, 'x'), (4, 1, 0, 1, 'x'), (5, 1, 0, 1, NULL), (6, 1, 0, 1, 'x'), (6, 1, 0, 2, 'x'), (7, 1, 0, 1, 'x'),
       (8, 2, 0, 1, 'x'), (9, 2, 1, 1, 'x'), (10, 2, 1, 1, NULL), (11, 2, 1, 1, NULL), (12, 2, 1, 1, 'x')`,
  );
  const run = (fromCsn: number, toCsn: number, term: number, slot: number, dead = false): LoggedRun => ({
    fromCsn,
    toCsn,
    term,
    slot,
    dead,
  });
  const all = [
    run(1, 2, 1, 0),
    run(4, 4, 1, 0),
    run(5, 5, 1, 0, true),
    run(6, 7, 1, 0),
    run(8, 8, 2, 0),
    run(9, 9, 2, 1),
    run(10, 11, 2, 1, true),
    run(12, 12, 2, 1),
  ];
  expect(await member.log.list(0)).toEqual(all);
  expect(await member.log.list(1, 10)).toEqual([
    run(2, 2, 1, 0),
    ...all.slice(1, 6),
    run(10, 10, 2, 1, true),
  ]);
});
