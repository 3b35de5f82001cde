import { expect, test } from 'vitest';
import { waitFor, withServers } from '../../support/index.ts';
import { connectMember, enrolledMember } from './member-connection.ts';

const fixture = withServers(1);

async function somebodyWaits(): Promise<boolean> {
  const [row] = (await fixture.servers[0]?.query('SELECT count(*) FROM pg_locks WHERE NOT granted')) ?? [];
  return row?.[0] !== '0';
}

test('probe: a log that is emptied while it is asked for ends where it was emptied up to', async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const member = await enrolledMember(server);
  await server.query(`INSERT INTO lockstep.log VALUES (1, 5, 1, 1, 'x'), (2, 7, 1, 1, 'x')`);
  expect((await member.probe()).lastCsn).toBe(7);

  const other = await connectMember(server);
  await other.query(
    `BEGIN; LOCK TABLE lockstep.log IN ACCESS EXCLUSIVE MODE; UPDATE lockstep.member SET base_csn = 7; TRUNCATE lockstep.log`,
  );
  const probed = member.probe();
  await waitFor(somebodyWaits, { what: 'the probe waits for the log' });
  await other.query('COMMIT');
  expect((await probed).lastCsn).toBe(7);
});

test('probe: one that is given up while it is prepared is over, with its connection', async () => {
  const [server] = fixture.servers;
  if (server === undefined) throw new Error('there is a server');
  const member = await enrolledMember(server);
  const other = await connectMember(server);
  await other.query('BEGIN; LOCK TABLE lockstep.heartbeat IN ACCESS EXCLUSIVE MODE');
  const first = member.probe();
  await waitFor(somebodyWaits, { what: 'the probe waits for its table' });
  const second = member.probe();
  await expect(first).rejects.toMatchObject({ blame: 'gone' });
  await other.query('COMMIT');
  expect(await second).toMatchObject({ clusterId: 'c' });
});
