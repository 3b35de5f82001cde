import { describe, expect, test } from 'vitest';
import { withServers } from '../../support/index.ts';
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
    await expect(member.dropSegment(1, 4)).rejects.toThrow(/above CSN 4 is still needed/);
    await expect(member.dropSegment(1, 5)).rejects.toThrow(/above CSN 5 is still needed/);
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
